//! One frame, made once, to every socket: its bytes are written to each in turn, and nothing else is done.
//! There is no WebSocket library in between, no task for each socket and no queue, so what is left is what
//! the kernel takes for a write.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a server adds to the key of a handshake (RFC 6455, 4.2.2).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A handshake is shorter.
const HANDSHAKE: usize = 4_096;
const TEXT: u8 = 0x81;

/// The open sockets.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<Vec<TcpStream>>>);

impl Sockets {
    /// Takes sockets for as long as the process lives.
    pub async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let sockets = self.clone();
            tokio::spawn(async move {
                // Who does not know how to shake hands gets nothing.
                if let Ok(stream) = upgraded(stream).await {
                    sockets.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
                }
            });
        }
    }

    /// Writes to all. A socket that does not take a whole frame at once is behind by more than its buffer,
    /// and is not waited for.
    fn send(&self, frame: &[u8]) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|socket| socket.try_write(frame).is_ok_and(|written| written == frame.len()));
    }

    /// How many are open.
    fn count(&self) -> usize {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = [0; 256];
        sockets.retain(|socket| match socket.try_read(&mut rest) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        sockets.len()
    }
}

/// `GET /sockets` counts, `POST /broadcast` sends its body to all.
pub fn routes(sockets: Sockets) -> Router {
    Router::new()
        .route("/sockets", get(async |State(sockets): State<Sockets>| sockets.count().to_string()))
        .route("/broadcast", post(broadcast))
        .with_state(sockets)
}

async fn broadcast(State(sockets): State<Sockets>, text: String) -> &'static str {
    sockets.send(&frame(text.as_bytes()));
    "sent"
}

/// A text frame of a server (RFC 6455, 5.2).
fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![TEXT];
    match u16::try_from(text.len()) {
        Ok(length @ 0..126) => frame.push(length.to_le_bytes()[0]),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(text);
    frame
}

/// Answers the handshake of a client that sends nothing before it is answered.
async fn upgraded(mut stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < HANDSHAKE, "an endless handshake");
        ensure!(stream.read_buf(&mut head).await? > 0, "the socket ended");
    }
    let head = String::from_utf8(head)?;
    let header = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let key = header("sec-websocket-key").context("no WebSocket")?;
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_tell_their_length() {
        assert_eq!(frame(b"hi"), b"\x81\x02hi");
        assert_eq!(frame(&[b'x'; 300])[..4], [0x81, 126, 1, 44]);
        assert_eq!(frame(&[b'x'; 70_000])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }
}
