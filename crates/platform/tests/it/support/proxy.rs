//! A network that can fail.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Up,
    /// Connections break, and new ones too.
    Cut,
    /// Nothing gets through, and nobody is told.
    Frozen,
}

/// Forwards TCP connections to a service as long as the test lets it.
pub struct Proxy {
    address: SocketAddr,
    network: Arc<watch::Sender<Network>>,
}

impl Proxy {
    /// In front of the service with this URL.
    pub async fn to(url: &str) -> Self {
        let target = authority(url).rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = Arc::new(watch::Sender::new(Network::Up));
        let state = Arc::clone(&network);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, state) = (target.clone(), state.subscribe());
                tokio::spawn(async move {
                    if *state.borrow() != Network::Cut
                        && let Ok(server) = TcpStream::connect(target).await
                    {
                        forward(client, server, state).await;
                    }
                });
            }
        });
        Self { address, network }
    }

    /// `url` by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let authority = authority(url);
        let through = match authority.rsplit_once('@') {
            Some((user, _)) => format!("{user}@{}", self.address),
            None => self.address.to_string(),
        };
        url.replacen(authority, &through, 1)
    }

    pub fn cut(&self) {
        self.network.send_replace(Network::Cut);
    }

    pub fn freeze(&self) {
        self.network.send_replace(Network::Frozen);
    }

    pub fn heal(&self) {
        self.network.send_replace(Network::Up);
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    &rest[..rest.find('/').unwrap_or(rest.len())]
}

async fn forward(client: TcpStream, server: TcpStream, network: watch::Receiver<Network>) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let mut cut = network.clone();
    tokio::select! {
        () = pump(client_read, server_write, network.clone()) => {}
        () = pump(server_read, client_write, network) => {}
        _ = cut.wait_for(|network| *network == Network::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if network.wait_for(|network| *network != Network::Frozen).await.is_err()
            || length == 0
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}
