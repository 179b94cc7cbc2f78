//! A TCP proxy that can do to connections what networks do.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::tests::ports;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
    time::sleep,
};

/// How often the port is tried again after a refusal ended: the kernel may need a moment.
const REBIND_EVERY: Duration = Duration::from_millis(10);
const PIECE: usize = 16 * 1024;

/// What a link does with connections and what goes over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Carries them.
    Pass,
    /// Nobody listens; what was connected is cut.
    Refuse,
    /// Takes connections and carries nothing, ends included; all goes on when the mode changes,
    /// as after a partition.
    Stall,
    /// Carries each piece so much later.
    Delay(Duration),
}

/// A port that leads to one or more others.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    listening: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    backends: Vec<SocketAddr>,
    /// Whose turn it is.
    next: AtomicUsize,
    mode: watch::Sender<Mode>,
    /// Changes when all connections are to end.
    generation: watch::Sender<u64>,
}

impl Link {
    /// Begins to lead to these ports, by turns; one that refuses is passed over.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(backends: &[u16]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free())).await?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            backends: backends.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).collect(),
            next: AtomicUsize::new(0),
            mode: watch::Sender::new(Mode::Pass),
            generation: watch::Sender::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, listening })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.shared.address.port()
    }

    /// Behaves like this from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        if mode == Mode::Refuse {
            self.cut();
        }
    }

    /// Resets all connections there are.
    pub fn cut(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn listen(mut listener: TcpListener, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            drop(listener);
            // The sender lives in `shared`.
            let _ = mode.wait_for(|mode| *mode != Mode::Refuse).await;
            listener = bind_again(shared.address).await;
        }
        tokio::select! {
            _ = mode.changed() => {}
            Ok((client, _)) = listener.accept() => {
                tokio::spawn(carry(client, Arc::clone(&shared)));
            }
        }
    }
}

async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(REBIND_EVERY).await,
        }
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    // However it ends, both sides learn of it at once.
    let _ = client.set_zero_linger();
    tokio::select! {
        _ = generation.changed() => {}
        _ = exchange(client, &shared) => {}
    }
}

async fn exchange(client: TcpStream, shared: &Shared) -> io::Result<()> {
    shared.permit().await;
    let server = shared.connect().await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(pump(from_client, to_server, shared), pump(from_server, to_client, shared))?;
    Ok(())
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        shared.permit().await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(piece.get(..length).unwrap_or_default()).await?;
    }
}

impl Shared {
    /// Waits until something may pass.
    async fn permit(&self) {
        let mut mode = self.mode.subscribe();
        let passing = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode);
        if let Ok(Mode::Delay(time)) = passing {
            sleep(time).await;
        }
    }

    /// The next backend that takes the connection.
    async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut outcome = Err(io::ErrorKind::ConnectionRefused.into());
        for turn in 0..self.backends.len() {
            let backend = self.backends.get((first + turn) % self.backends.len());
            let Some(backend) = backend else { break };
            outcome = TcpStream::connect(backend).await;
            if outcome.is_ok() {
                break;
            }
        }
        let server = outcome?;
        server.set_zero_linger()?;
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use ::tests::wait::PATIENCE;

    use super::*;

    /// A server that says its name and then what it hears.
    async fn server(name: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    to.write_all(name.as_bytes()).await.unwrap();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn hear(stream: &mut TcpStream, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    async fn connect(link: &Link) -> io::Result<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await
    }

    #[tokio::test]
    async fn connections_go_by_turns_and_pass_over_the_dead() {
        let dead = ports::free();
        let link = Link::open(&[server("a").await, dead, server("b").await]).await.unwrap();
        let mut heard = String::new();
        for _ in 0..6 {
            heard += &hear(&mut connect(&link).await.unwrap(), 1).await.unwrap();
        }
        assert_eq!(heard, "abbabb");
    }

    #[tokio::test]
    async fn what_stalls_goes_on_later() {
        let link = Link::open(&[server("a").await]).await.unwrap();
        let mut old = connect(&link).await.unwrap();
        assert_eq!(hear(&mut old, 1).await.unwrap(), "a");
        link.set(Mode::Stall);
        old.write_all(b"held").await.unwrap();
        let mut new = connect(&link).await.unwrap();
        let mut byte = [0];
        assert_eq!(new.try_read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(old.try_read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        link.set(Mode::Delay(Duration::from_millis(1)));
        assert_eq!(hear(&mut old, 4).await.unwrap(), "held");
        assert_eq!(hear(&mut new, 1).await.unwrap(), "a");
    }

    #[tokio::test]
    async fn what_is_cut_is_reset_and_can_connect_again() {
        let link = Link::open(&[server("a").await]).await.unwrap();
        let mut stream = connect(&link).await.unwrap();
        assert_eq!(hear(&mut stream, 1).await.unwrap(), "a");
        link.cut();
        assert!(hear(&mut stream, 1).await.is_err());
        assert_eq!(hear(&mut connect(&link).await.unwrap(), 1).await.unwrap(), "a");
    }

    #[tokio::test]
    async fn a_refusal_is_a_refusal_until_it_ends() {
        let link = Link::open(&[server("a").await]).await.unwrap();
        let mut stream = connect(&link).await.unwrap();
        assert_eq!(hear(&mut stream, 1).await.unwrap(), "a");
        link.set(Mode::Refuse);
        assert!(hear(&mut stream, 1).await.is_err());
        let refused = async || while connect(&link).await.is_ok() {};
        tokio::time::timeout(PATIENCE, refused()).await.unwrap();
        link.set(Mode::Pass);
        let passes = async || while connect(&link).await.is_err() {};
        tokio::time::timeout(PATIENCE, passes()).await.unwrap();
        assert_eq!(hear(&mut connect(&link).await.unwrap(), 1).await.unwrap(), "a");
    }
}
