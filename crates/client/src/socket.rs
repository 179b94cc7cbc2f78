//! Subscriptions over a WebSocket, by the
//! [graphql-transport-ws protocol](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{SinkExt, StreamExt, stream::SplitStream};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{ClientError, Reply, operation};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Routes = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Reply>>>>;

/// An open socket. Subscriptions end when it is dropped.
#[derive(Debug)]
pub struct Socket {
    outgoing: mpsc::UnboundedSender<Message>,
    routes: Routes,
    next: AtomicU64,
}

impl Socket {
    pub(crate) async fn open(address: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let mut request = address.into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        let (mut sink, mut source) = stream.split();
        let payload =
            token.map_or_else(|| json!({}), |token| json!({ "Authorization": format!("Bearer {token}") }));
        let init = json!({ "type": "connection_init", "payload": payload });
        sink.send(Message::text(init.to_string())).await?;
        acknowledged(&mut source).await?;

        let (outgoing, mut queue) = mpsc::unbounded_channel::<Message>();
        let routes = Routes::default();
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            let _ = sink.close().await;
        });
        tokio::spawn(read(source, Arc::clone(&routes), outgoing.downgrade()));
        Ok(Self { outgoing, routes, next: AtomicU64::new(1) })
    }

    /// Starts a subscription (or any operation) on this socket.
    pub fn execute(&self, document: &str, variables: Value) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (sender, replies) = mpsc::unbounded_channel();
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        let message = json!({ "id": id, "type": "subscribe", "payload": { "query": document, "variables": variables } });
        // A closed socket shows as the end of the subscription.
        let _ = self.outgoing.send(Message::text(message.to_string()));
        Subscription { id, replies, outgoing: self.outgoing.clone() }
    }

    /// Starts an operation of `schema/operations.graphql`.
    ///
    /// # Errors
    /// [`ClientError::UnknownOperation`].
    pub fn subscribe(&self, name: &str, variables: Value) -> Result<Subscription, ClientError> {
        Ok(self.execute(operation(name)?, variables))
    }
}

async fn acknowledged(source: &mut SplitStream<Stream>) -> Result<(), ClientError> {
    while let Some(message) = source.next().await {
        match message? {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text)?;
                return match message["type"].as_str() {
                    Some("connection_ack") => Ok(()),
                    Some("ping") => continue,
                    _ => Err(ClientError::Protocol(message.to_string())),
                };
            }
            Message::Close(frame) => return Err(ClientError::Protocol(format!("closed: {frame:?}"))),
            _ => {}
        }
    }
    Err(ClientError::Protocol("closed before connection_ack".to_owned()))
}

/// Hands each message to its subscription until the socket ends.
async fn read(mut source: SplitStream<Stream>, routes: Routes, outgoing: mpsc::WeakUnboundedSender<Message>) {
    while let Some(Ok(message)) = source.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(mut message) = serde_json::from_str::<Value>(&text) else { break };
        let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("next") => {
                if let Some(route) = routes.get(&id) {
                    let _ = route.send(Reply::new(message["payload"].take()));
                }
            }
            Some("error") => {
                if let Some(route) = routes.remove(&id) {
                    let _ = route.send(Reply::new(json!({ "errors": message["payload"].take() })));
                }
            }
            Some("complete") => {
                routes.remove(&id);
            }
            Some("ping") => {
                if let Some(outgoing) = outgoing.upgrade() {
                    let _ = outgoing.send(Message::text(r#"{"type":"pong"}"#));
                }
            }
            _ => {}
        }
    }
    routes.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The answers to one operation on a [`Socket`], as they come.
#[derive(Debug)]
pub struct Subscription {
    id: String,
    replies: mpsc::UnboundedReceiver<Reply>,
    outgoing: mpsc::UnboundedSender<Message>,
}

impl Subscription {
    /// The next answer; `None` when the server has completed the operation or the socket is gone.
    pub async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let message = json!({ "id": self.id, "type": "complete" });
        let _ = self.outgoing.send(Message::text(message.to_string()));
    }
}
