//! One frame to every socket.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::{get, post},
};
use tokio::sync::broadcast;

/// Frames that a socket may lag behind.
const BACKLOG: usize = 64;

#[derive(Clone)]
struct Frames {
    sender: broadcast::Sender<Utf8Bytes>,
    sockets: Arc<AtomicUsize>,
}

/// `GET /socket` upgrades, `GET /sockets` counts, `POST /broadcast` sends its body to all.
pub fn routes() -> Router {
    let frames = Frames { sender: broadcast::Sender::new(BACKLOG), sockets: Arc::default() };
    Router::new()
        .route("/socket", get(upgrade))
        .route("/sockets", get(count))
        .route("/broadcast", post(send))
        .with_state(frames)
}

async fn upgrade(State(frames): State<Frames>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["graphql-transport-ws"]).on_upgrade(async move |socket| {
        let receiver = frames.sender.subscribe();
        frames.sockets.fetch_add(1, Ordering::Relaxed);
        forward(socket, receiver).await;
        frames.sockets.fetch_sub(1, Ordering::Relaxed);
    })
}

async fn forward(mut socket: WebSocket, mut frames: broadcast::Receiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => if socket.send(Message::Text(frame)).await.is_err() { return },
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            message = socket.recv() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
}

async fn count(State(frames): State<Frames>) -> String {
    frames.sockets.load(Ordering::Relaxed).to_string()
}

async fn send(State(frames): State<Frames>, frame: String) -> &'static str {
    // Nobody listens: nothing to do.
    let _ = frames.sender.send(frame.into());
    "sent"
}
