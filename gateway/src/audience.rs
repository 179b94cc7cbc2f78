//! Subscriptions and their viewers: equal subscriptions have one upstream, whatever transport their
//! viewers use, and it ends with the last of them.
//!
//! A viewer that is behind by more than `caps.events_per_reader` events misses the oldest; the others
//! notice nothing, unless they are sockets that are served together ([`crate::socket::Groups`]). It is told
//! with the next event, whose `extensions` say `"resync": true`: what it knows is out of date, and it has to
//! read it anew.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::StreamExt;
use metrics::Counter;
use ntex::{
    http::{Request, StatusCode},
    rt,
    util::Bytes,
};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::Span;

use crate::{
    places::{Place, Places},
    refusal, request,
    router::InProcess,
    subscription::Key,
    trace,
};

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

/// Names an audience of the gateway: no two have the same, not even one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AudienceId(u64);

/// All subscriptions of the gateway.
#[derive(Debug)]
pub(crate) struct Audiences {
    open: Mutex<HashMap<Key, Open>>,
    /// Counts what all viewers were sent.
    pub(crate) sent: Counter,
    pub(crate) places: Arc<Places>,
    /// Events that a reader may be behind by.
    pub(crate) capacity: usize,
    /// Whether equal subscriptions share an upstream.
    share: bool,
    /// How often somebody has joined, which numbers audiences and those who share nothing.
    joined: AtomicU64,
}

#[derive(Debug)]
struct Open {
    id: AudienceId,
    events: broadcast::Sender<Event>,
}

/// What is shown from a moment on.
#[derive(Debug)]
pub(crate) struct Events {
    /// To whom.
    pub(crate) audience: AudienceId,
    shown: broadcast::Receiver<Event>,
}

/// What whoever waits for an event gets.
#[derive(Debug)]
pub(crate) enum Taken {
    Event(Event),
    /// So many are gone, as nobody has taken them in time.
    Missed(u64),
}

impl Events {
    /// `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Taken> {
        match self.shown.recv().await {
            Ok(event) => Some(Taken::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Taken::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// One viewer of a subscription.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) events: Events,
    pub(crate) place: Place,
    /// That of all; kept, as to look it up for each event of each viewer takes a lock.
    pub(crate) sent: Counter,
    /// Whether it has missed some since its last event.
    behind: bool,
}

impl Viewer {
    /// `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.next().await? {
                Taken::Event(Event::Next(json)) if std::mem::take(&mut self.behind) => {
                    metrics::counter!("gateway_resyncs_total", "cause" => "slow").increment(1);
                    self.sent.increment(1);
                    return Some(Event::Next(resync(&json)));
                }
                Taken::Event(event) => {
                    self.sent.increment(1);
                    return Some(event);
                }
                Taken::Missed(missed) => {
                    self.behind = true;
                    metrics::counter!("gateway_events_missed_total").increment(missed);
                }
            }
        }
    }
}

/// An answer that tells its reader to read anew what it knows.
pub(crate) fn resync(json: &Bytes) -> Bytes {
    let Ok(mut answer) = serde_json::from_slice::<Map<String, Value>>(json) else { return json.clone() };
    match answer.entry("extensions").or_insert_with(|| json!({})) {
        Value::Object(extensions) => drop(extensions.insert("resync".to_owned(), true.into())),
        other => *other = json!({ "resync": true }),
    }
    Value::Object(answer).to_string().into()
}

impl Audiences {
    pub(crate) fn new(places: Arc<Places>, capacity: usize, share: bool) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            sent: metrics::counter!("gateway_events_sent_total"),
            places,
            capacity,
            share,
            joined: AtomicU64::new(0),
        })
    }

    /// Joins the audience of a subscription, in a place of [`Audiences::places`]; the first viewer has
    /// it opened upstream, by the router and with the request that `open` returns.
    pub(crate) fn join(
        self: &Arc<Self>,
        mut key: Key,
        place: Place,
        open: impl FnOnce() -> (InProcess, Request),
    ) -> Viewer {
        let number = self.joined.fetch_add(1, Ordering::Relaxed);
        if !self.share {
            key.set_apart(number);
        }
        let mut audiences = self.audiences();
        let events = match audiences.get(&key) {
            Some(open) => Events { audience: open.id, shown: open.events.subscribe() },
            None => {
                let (sender, shown) = broadcast::channel(self.capacity);
                let id = AudienceId(number);
                audiences.insert(key.clone(), Open { id, events: sender.clone() });
                metrics::gauge!("gateway_subscriptions_upstream").increment(1);
                let (router, request) = open();
                let audience = Audience { audiences: Arc::clone(self), key, events: sender, closed: false };
                rt::spawn(audience.entertain(router, request, trace::upstream()));
                Events { audience: id, shown }
            }
        };
        Viewer { events, place, sent: self.sent.clone(), behind: false }
    }

    fn audiences(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
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
    async fn entertain(mut self, router: InProcess, request: Request, span: Span) {
        let mut response = match trace::begins(span, router.call(request)).await {
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
    fn whoever_was_behind_is_told_so() {
        let told = |json: &'static str| {
            String::from_utf8(resync(&Bytes::from_static(json.as_bytes())).to_vec()).unwrap()
        };
        assert_eq!(told(r#"{"data":{"a":1}}"#), r#"{"data":{"a":1},"extensions":{"resync":true}}"#);
        let both: Value = serde_json::from_str(&told(r#"{"data":1,"extensions":{"b":2}}"#)).unwrap();
        assert_eq!(both["extensions"], json!({ "b": 2, "resync": true }));
    }

    #[test]
    fn events_of_the_router_are_told_apart() {
        let parse = |chunk: &'static str| Chunk::parse(Bytes::from_static(chunk.as_bytes()));
        let event = Bytes::from_static(br#"{"data":1}"#);
        assert_eq!(parse("event: next\ndata: {\"data\":1}\n\n"), Chunk::Event(event));
        assert_eq!(parse("event: complete\n\n"), Chunk::End);
        assert_eq!(parse(":\n\n"), Chunk::Heartbeat);
    }
}
