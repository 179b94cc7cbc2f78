//! Subscriptions and their viewers: equal subscriptions have one upstream, whatever transport their
//! viewers use, and it ends with the last of them.
//!
//! A viewer that is behind by more than `broadcast_capacity` events misses the oldest; the others
//! notice nothing. Events that must not be missed carry versions by which their reader can tell.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::StreamExt;
use ntex::{
    http::{Request, StatusCode},
    rt,
    util::Bytes,
};
use serde_json::{Map, Value, json};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    broadcast::{self, error::RecvError},
};

use crate::{refusal, request, router::InProcess, subscription::Key};

/// In an answer that has errors; it may be in others.
const ERRORS: &[u8] = br#""errors":["#;

/// What the viewers of a subscription get; after the last comes its end.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// An answer, as JSON.
    Next(Bytes),
    /// The operation was refused, with an answer that has only errors, as JSON. Nothing follows.
    Refused(Bytes),
}

/// All subscriptions of the gateway.
#[derive(Debug)]
pub(crate) struct Audiences {
    open: Mutex<HashMap<Key, broadcast::Sender<Event>>>,
    places: Arc<Semaphore>,
    capacity: usize,
    /// Whether equal subscriptions share an upstream.
    share: bool,
    alone: AtomicU64,
}

/// No viewer can be added.
#[derive(Debug)]
pub(crate) struct Full;

/// One viewer of a subscription.
#[derive(Debug)]
pub(crate) struct Viewer {
    events: broadcast::Receiver<Event>,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(missed)) => {
                    metrics::counter!("gateway_events_missed_total").increment(missed);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Audiences {
    pub(crate) fn new(viewers: usize, capacity: usize, share: bool) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(viewers.min(Semaphore::MAX_PERMITS))),
            capacity,
            share,
            alone: AtomicU64::new(0),
        })
    }

    /// Joins the audience of a subscription; the first viewer has it opened upstream, by the router
    /// and with the request that `open` returns.
    pub(crate) fn join(
        self: &Arc<Self>,
        mut key: Key,
        open: impl FnOnce() -> (InProcess, Request),
    ) -> Result<Viewer, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full)?;
        if !self.share {
            key.set_apart(self.alone.fetch_add(1, Ordering::Relaxed));
        }
        let mut audiences = self.audiences();
        let events = match audiences.get(&key) {
            Some(events) => events.subscribe(),
            None => {
                let (sender, events) = broadcast::channel(self.capacity);
                audiences.insert(key.clone(), sender.clone());
                metrics::gauge!("gateway_subscriptions_upstream").increment(1);
                let (router, request) = open();
                let audience = Audience { audiences: Arc::clone(self), key, events: sender, closed: false };
                rt::spawn(audience.entertain(router, request));
                events
            }
        };
        Ok(Viewer { events, _place: place })
    }

    fn audiences(&self) -> MutexGuard<'_, HashMap<Key, broadcast::Sender<Event>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The upstream end of a subscription. It is not bound to any of the viewers.
struct Audience {
    audiences: Arc<Audiences>,
    key: Key,
    events: broadcast::Sender<Event>,
    /// Whether nobody can join any more.
    closed: bool,
}

impl Audience {
    async fn entertain(mut self, router: InProcess, request: Request) {
        let mut response = match router.call(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, "the router failed on a subscription");
                return self.refuse(StatusCode::INTERNAL_SERVER_ERROR, &Bytes::new());
            }
        };
        if !request::is_events(&response) {
            let status = response.status();
            let body = request::read_answer(response.take_body()).await;
            return self.refuse(status, &body);
        }
        let mut chunks = response.take_body();
        loop {
            tokio::select! {
                chunk = chunks.next() => match chunk.map(|chunk| chunk.map(Chunk::parse)) {
                    Some(Ok(Chunk::Event(json))) => self.show(json),
                    Some(Ok(Chunk::Heartbeat)) => {}
                    Some(Ok(Chunk::End) | Err(_)) | None => return,
                },
                () = self.events.closed() => if self.close_if_empty() { return },
            }
        }
    }

    fn show(&mut self, json: Bytes) {
        // A subscription that fails at once is over at once. Whoever joined between its error and
        // its end would see it end without a reason, so nobody joins after an error.
        if json.windows(ERRORS.len()).any(|window| window == ERRORS) {
            self.close();
        }
        // Nobody may be left to take it, which is seen elsewhere.
        drop(self.events.send(Event::Next(json)));
    }

    fn refuse(&mut self, status: StatusCode, body: &Bytes) {
        let explained = serde_json::from_slice::<Map<String, Value>>(body).is_ok();
        let answer = match explained {
            true => body.clone(),
            false => json!({ "errors": refusal::unexplained(status) }).to_string().into(),
        };
        // None can join who would not be told.
        self.close();
        drop(self.events.send(Event::Refused(answer)));
    }

    /// Lets nobody join any more: the next who asks opens the subscription anew.
    fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.audiences.audiences().remove(&self.key);
        }
    }

    /// The same, unless somebody has joined meanwhile.
    fn close_if_empty(&mut self) -> bool {
        let audiences = Arc::clone(&self.audiences);
        let mut audiences = audiences.audiences();
        if self.events.receiver_count() > 0 {
            return false;
        }
        if !std::mem::replace(&mut self.closed, true) {
            audiences.remove(&self.key);
        }
        true
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.close();
        metrics::gauge!("gateway_subscriptions_upstream").decrement(1);
    }
}

/// What the router writes at once into a stream of server-sent events.
#[derive(Debug, PartialEq)]
enum Chunk {
    Event(Bytes),
    Heartbeat,
    End,
}

impl Chunk {
    fn parse(chunk: Bytes) -> Self {
        let (head, tail) = (b"event: next\ndata: ".len(), b"\n\n".len());
        if chunk.starts_with(b"event: next\ndata: ") && chunk.ends_with(b"\n\n") {
            Self::Event(chunk.slice(head..chunk.len() - tail))
        } else if chunk.starts_with(b"event: complete") {
            Self::End
        } else {
            Self::Heartbeat
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_router_are_told_apart() {
        let parse = |chunk: &'static str| Chunk::parse(Bytes::from_static(chunk.as_bytes()));
        let event = Bytes::from_static(br#"{"data":1}"#);
        assert_eq!(parse("event: next\ndata: {\"data\":1}\n\n"), Chunk::Event(event));
        assert_eq!(parse("event: complete\n\n"), Chunk::End);
        assert_eq!(parse(":\n\n"), Chunk::Heartbeat);
    }
}
