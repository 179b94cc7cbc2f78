//! Thousands of WebSockets (RFC 6455) that only listen: a few hundred bytes of ours for each.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::http::find;

/// Sockets that are being opened at the same time.
const OPENING: usize = 64;
/// What opening one may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sockets from one address of the loopback network, so that none of them runs out of ports.
const PER_ADDRESS: usize = 2_000;
/// Any 16 bytes will do as the key of a handshake (RFC 6455, 4.1).
const KEY: &str = "bWFycXVlZS1iZW5jaG1hcms=";

/// Told of each message, with its payload.
pub type Watch = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Open sockets, each with a task that reads.
#[derive(Debug)]
pub struct Crowd {
    readers: JoinSet<()>,
    lost: Arc<AtomicU64>,
}

impl Crowd {
    /// Opens `count` sockets at `path` of `target` with this subprotocol, sends the parts of
    /// `greeting` on each, one when the other is answered, and lets `watch` see what comes later.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub async fn open(
        target: SocketAddr,
        path: &str,
        count: usize,
        greeting: &[String],
        watch: Watch,
    ) -> Result<Self> {
        let opening = stream::iter(0..count).map(|number| async move {
            timeout(PATIENCE, connect(target, path, number, greeting)).await.context("no socket in time")?
        });
        let streams: Vec<TcpStream> = opening.buffer_unordered(OPENING).try_collect().await?;
        let lost = Arc::new(AtomicU64::new(0));
        let mut readers = JoinSet::new();
        for stream in streams {
            let (watch, lost) = (Arc::clone(&watch), Arc::clone(&lost));
            readers.spawn(async move {
                if listen(stream, &watch).await.is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(Self { readers, lost })
    }

    /// Closes all.
    ///
    /// # Errors
    /// When some were closed by the server.
    pub async fn close(mut self) -> Result<()> {
        let lost = self.lost.load(Ordering::Relaxed);
        self.readers.shutdown().await;
        // Their ends are seen by the server before the next measurement.
        sleep(Duration::from_millis(300)).await;
        ensure!(lost == 0, "the server closed {lost} sockets");
        Ok(())
    }
}

async fn connect(target: SocketAddr, path: &str, number: usize, greeting: &[String]) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // Other ports than those of the handshakes before, and another address for each few thousand.
    socket.set_reuseaddr(true)?;
    let host = u8::try_from(2 + number / PER_ADDRESS).context("too many sockets")?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
    let mut stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {target}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    // Byte by byte: what follows the head belongs to the reader.
    while find(&head, b"\r\n\r\n").is_none() {
        ensure!(head.len() < 4_096, "an endless answer to a handshake");
        head.push(stream.read_u8().await?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket: {}", String::from_utf8_lossy(&head));
    for (at, text) in greeting.iter().enumerate() {
        stream.write_all(&masked(1, text.as_bytes())).await?;
        // The last one starts what is listened to.
        if at + 1 < greeting.len() {
            let mut payload = Vec::new();
            frame(&mut stream, &mut payload).await?;
        }
    }
    Ok(stream)
}

async fn listen(mut stream: TcpStream, watch: &Watch) -> Result<()> {
    let mut buffer = Vec::with_capacity(1_024);
    loop {
        let mut used = 0;
        while let Some((opcode, begin, end)) = parse(buffer.get(used..).unwrap_or_default()) {
            let payload = buffer.get(used + begin..used + end).unwrap_or_default();
            match opcode {
                1 if find(payload.get(..32.min(payload.len())).unwrap_or_default(), b"\"ping\"")
                    .is_some() =>
                {
                    stream.write_all(&masked(1, br#"{"type":"pong"}"#)).await?;
                }
                1 => watch(payload),
                8 => bail!("closed"),
                9 => stream.write_all(&masked(10, payload)).await?,
                _ => {}
            }
            used += end;
        }
        buffer.drain(..used);
        ensure!(stream.read_buf(&mut buffer).await? > 0, "the socket ended");
    }
}

/// Waits for one whole frame.
async fn frame(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    while parse(buffer).is_none() {
        buffer.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(buffer);
    ensure!(!text.contains("\"error\""), "refused: {text}");
    Ok(())
}

/// The opcode and the bounds of the payload of the first frame, when all of it is there. Servers do
/// not mask (RFC 6455, 5.1).
fn parse(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0f;
    let (begin, length) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= begin + length).then_some((opcode, begin, begin + length))
}

/// A frame as clients send it, with a mask of zeros, which changes nothing.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_whole() {
        assert_eq!(parse(b"\x81\x03abc"), Some((1, 2, 5)));
        assert_eq!(parse(b"\x81\x03ab"), None);
        let mut long = vec![0x81, 126, 1, 0];
        long.extend([b'x'; 256]);
        assert_eq!(parse(&long), Some((1, 4, 260)));
    }

    #[test]
    fn what_clients_send_has_a_mask() {
        assert_eq!(masked(1, b"hi"), b"\x81\x82\0\0\0\0hi");
        assert_eq!(masked(1, &[b'x'; 300])[..8], [0x81, 0xfe, 1, 44, 0, 0, 0, 0]);
    }
}
