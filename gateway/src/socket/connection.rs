//! One socket: its handshake, the operations that it has running, and its end. It lives on one
//! thread, so that a cell is enough to share its state between the frames and the operations.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::pending,
    net::IpAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::error::ErrorCode;
use ntex::{
    http::HeaderMap,
    io::{Control, IoRef},
    rt::{self, JoinHandle},
    util::Bytes,
    web::ws,
};
use platform::auth::TokenError;
use serde_json::value::RawValue;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    Sockets,
    group::Watching,
    headers, operation,
    protocol::{self, Close, Incoming},
};
use crate::{admission::Caller, audience::Viewer, places::Place, refusal, router::Router};

/// How long a peer may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a socket begins with.
pub(super) struct Opened {
    pub(super) sockets: Arc<Sockets>,
    pub(super) router: Router,
    pub(super) address: IpAddr,
    /// Those of the upgrade that its operations have.
    pub(super) headers: HeaderMap,
    pub(super) place: Place,
}

/// One socket.
pub(super) struct Connection {
    sink: ws::WsSink,
    sockets: Arc<Sockets>,
    pub(super) router: Router,
    /// From where the client has connected.
    pub(super) address: IpAddr,
    /// Its place among all sockets.
    place: RefCell<Option<Place>>,
    state: RefCell<State>,
    /// Told when the last operation that owes an answer has given it.
    answered: Notify,
    /// Told when what was written has been taken by the peer.
    flushed: Notify,
    /// Told when the caller is known.
    opened: Notify,
}

struct State {
    phase: Phase,
    /// The headers of each operation.
    headers: HeaderMap,
    operations: HashMap<Rc<str>, Running>,
    /// Operations that are neither streaming nor finished.
    owing: usize,
    /// Since when the peer reads slower than it is written to.
    pressed: Option<Instant>,
    /// Whether somebody looks how long that lasts.
    impatient: bool,
    heard: Instant,
    /// When the caller's token is void.
    expires: Option<tokio::time::Instant>,
    keeper: Option<JoinHandle<()>>,
}

/// An operation that has not ended.
enum Running {
    Task(JoinHandle<()>),
    Watching(Watching),
}

impl Running {
    fn stop(self) {
        match self {
            Self::Task(task) => task.cancel(),
            Self::Watching(watching) => drop(watching),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    /// Somebody finds out who the caller is.
    Asking,
    Open,
    Closing,
}

impl Connection {
    /// Begins with a socket whose client has offered the subprotocol, or closes it again.
    pub(super) fn open(sink: ws::WsSink, opened: Opened, spoken: bool) -> Rc<Self> {
        let Opened { sockets, router, address, headers, place } = opened;
        let state = State {
            phase: Phase::Opening,
            headers,
            operations: HashMap::new(),
            owing: 0,
            pressed: None,
            impatient: false,
            heard: Instant::now(),
            expires: None,
            keeper: None,
        };
        let connection = Rc::new(Self {
            sink,
            sockets,
            router,
            address,
            place: RefCell::new(Some(place)),
            state: RefCell::new(state),
            answered: Notify::new(),
            flushed: Notify::new(),
            opened: Notify::new(),
        });
        let keeper = rt::spawn(Rc::clone(&connection).keep());
        connection.state.borrow_mut().keeper = Some(keeper);
        if !spoken {
            // A browser shows a refused upgrade as a riddle, and a closed socket with its reason.
            connection.close(Close::NotSpoken);
        }
        connection
    }

    /// Handles a frame; the answer is sent.
    pub(super) fn frame(self: &Rc<Self>, frame: ws::Frame) -> Option<ws::Message> {
        self.state.borrow_mut().heard = Instant::now();
        let closing = self.state.borrow().phase == Phase::Closing;
        match frame {
            ws::Frame::Close(reason) => {
                self.end();
                if !closing {
                    self.send(ws::Message::Close(reason));
                }
                self.sink.io().close();
                None
            }
            _ if closing => None,
            ws::Frame::Text(text) => self.text(&text),
            ws::Frame::Ping(data) => Some(ws::Message::Pong(data)),
            ws::Frame::Pong(_) => None,
            ws::Frame::Binary(_) | ws::Frame::Continuation(_) => self.close(Close::NotText),
        }
    }

    fn text(self: &Rc<Self>, text: &Bytes) -> Option<ws::Message> {
        let Some(message) = std::str::from_utf8(text).ok().and_then(Incoming::parse) else {
            return self.close(Close::BadMessage);
        };
        let phase = self.state.borrow().phase;
        let open = phase == Phase::Open;
        match message {
            Incoming::Init { .. } if phase != Phase::Opening => self.close(Close::SecondInit),
            Incoming::Init { payload } => self.initialise(payload),
            Incoming::Ping => Some(protocol::pong()),
            Incoming::Pong => None,
            Incoming::Subscribe { .. } | Incoming::Complete { .. } if !open => {
                self.close(Close::NotInitialised)
            }
            Incoming::Subscribe { id, payload } => self.subscribe(&id, payload),
            Incoming::Complete { id } => {
                let operation = self.state.borrow_mut().operations.remove(&*id);
                if let Some(operation) = operation {
                    operation.stop();
                }
                None
            }
        }
    }

    fn initialise(self: &Rc<Self>, payload: Option<&RawValue>) -> Option<ws::Message> {
        let payload = match payload.map(|payload| serde_json::from_str(payload.get())) {
            None => serde_json::Map::new(),
            Some(Ok(payload)) => payload,
            Some(Err(_)) => return self.close(Close::BadMessage),
        };
        let mut state = self.state.borrow_mut();
        headers::add_payload(&mut state.headers, &payload, &self.sockets.forwarded);
        if headers::has_credentials(&state.headers) {
            state.phase = Phase::Asking;
            rt::spawn(Rc::clone(self).acknowledge());
            return None;
        }
        state.phase = Phase::Open;
        Some(protocol::ack())
    }

    /// Opens the socket when the caller's credentials are good, and closes it when they are not.
    async fn acknowledge(self: Rc<Self>) {
        let close = self.standing().await;
        if self.state.borrow().phase != Phase::Asking {
            return;
        }
        if let Some(close) = close {
            self.close(close);
            return;
        }
        self.state.borrow_mut().phase = Phase::Open;
        self.send(protocol::ack());
        self.opened.notify_one();
    }

    /// Finds out whether the caller's credentials are good, and until when. While nobody can tell,
    /// the socket stays: public fields answer everybody. Nobody can when others at the address have guessed
    /// keys so often that those there have to wait; a socket that is not open yet is then closed.
    async fn standing(&self) -> Option<Close> {
        let mut headers = self.state.borrow().headers.clone();
        if !headers::has_credentials(&headers) {
            return None;
        }
        let caller = self.router.gate.caller(&mut headers, self.address).await;
        let left = caller.as_ref().ok().and_then(|caller| self.router.gate.seconds_left(caller));
        let expires = left.map(|left| tokio::time::Instant::now() + Duration::from_secs(left));
        self.state.borrow_mut().expires = expires;
        if let (Ok(caller), Some(place)) = (&caller, self.place.borrow_mut().as_mut())
            && place.is_of(caller).is_err()
        {
            return Some(Close::TooMany);
        }
        match caller {
            Ok(Caller::Known(_) | Caller::Stranger | Caller::Rejected(TokenError::KeysUnavailable)) => None,
            Ok(Caller::Rejected(TokenError::Expired)) => Some(Close::Expired),
            Ok(Caller::Rejected(TokenError::Invalid)) => Some(Close::Forbidden),
            Err(refusal) if refusal.code == ErrorCode::BadUserInput => Some(Close::BadMessage),
            Err(refusal) if refusal.code == ErrorCode::RateLimited => {
                (self.state.borrow().phase != Phase::Open).then_some(Close::Limited)
            }
            Err(_) => Some(Close::Forbidden),
        }
    }

    fn subscribe(self: &Rc<Self>, id: &str, payload: &RawValue) -> Option<ws::Message> {
        let running = {
            let state = self.state.borrow();
            if state.operations.contains_key(id) { None } else { Some(state.operations.len()) }
        };
        let Some(running) = running else { return self.close(Close::DuplicateOperation) };
        if running >= self.sockets.max_operations {
            let message = "Too many operations are running on this socket.";
            return Some(refused(id, ErrorCode::RateLimited, message));
        }
        if self.sockets.closing.is_cancelled() {
            return Some(refused(id, ErrorCode::Unavailable, "Shutting down. Connect again."));
        }
        let body = Bytes::copy_from_slice(payload.get().as_bytes());
        let headers = self.state.borrow().headers.clone();
        let owing = Owing::new(Rc::clone(self));
        let id: Rc<str> = id.into();
        let task = rt::spawn(operation::run(owing, Rc::clone(&id), headers, body));
        self.state.borrow_mut().operations.insert(id, Running::Task(task));
        None
    }

    /// An operation goes on without its task.
    pub(super) fn watch(self: Rc<Self>, id: Rc<str>, viewer: Viewer) {
        let watching = self.router.groups.join(Rc::clone(&self), Rc::clone(&id), viewer);
        self.state.borrow_mut().operations.insert(id, Running::Watching(watching));
    }

    /// Sends an operation's message. A slow peer has to take it before the operation goes on.
    pub(super) async fn deliver(&self, message: ws::Message) {
        self.send(message);
        // Once is enough: what else goes to this peer may press again at once, and for long.
        if self.is_pressed() {
            self.flushed.notified().await;
        }
    }

    /// Where it is written to.
    pub(super) fn io(&self) -> &IoRef {
        self.sink.io()
    }

    /// Whether the peer reads slower than it is written to.
    fn is_pressed(&self) -> bool {
        self.io().is_wr_backpressure()
    }

    /// The socket is gone.
    pub(super) fn leave(&self) {
        self.place.borrow_mut().take();
    }

    /// Whether the process shuts down, and with it perhaps the subgraphs.
    pub(super) fn is_draining(&self) -> bool {
        self.sockets.shutdown.is_draining()
    }

    /// The operation has ended by itself.
    pub(super) fn finished(&self, id: &str) {
        let ended = self.state.borrow_mut().operations.remove(id);
        // What it holds goes when nothing is borrowed any more.
        drop(ended);
    }

    /// The peer reads too slowly, or has caught up.
    pub(super) fn pressure(self: &Rc<Self>, control: Control) {
        match control {
            Control::WBackPressureEnabled => {
                let mut state = self.state.borrow_mut();
                state.pressed = Some(Instant::now());
                if !std::mem::replace(&mut state.impatient, true) {
                    rt::spawn(lose_patience(Rc::downgrade(self), self.sockets.slow_reader));
                }
            }
            Control::WBackPressureDisabled => {
                self.state.borrow_mut().pressed = None;
                self.flushed.notify_waiters();
                for operation in self.state.borrow().operations.values() {
                    if let Running::Watching(watching) = operation {
                        watching.catch_up();
                    }
                }
            }
        }
    }

    /// Drops all operations. The socket is closing or gone.
    pub(super) fn end(&self) {
        let (operations, keeper) = {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Closing;
            (std::mem::take(&mut state.operations), state.keeper.take())
        };
        operations.into_values().for_each(Running::stop);
        if let Some(keeper) = keeper {
            keeper.cancel();
        }
    }

    /// Closes the socket; nothing else is sent.
    fn close(&self, close: Close) -> Option<ws::Message> {
        metrics::counter!("gateway_sockets_closed_total", "reason" => close.reason()).increment(1);
        self.end();
        self.send(close.into());
        let sink = self.sink.clone();
        rt::spawn(async move {
            tokio::select! {
                () = sink.on_disconnect() => {}
                () = sleep(CLOSE_TIMEOUT) => sink.io().close(),
            }
        });
        None
    }

    pub(super) fn send(&self, message: ws::Message) {
        // It is written to the buffer at once; the future is always ready.
        drop(self.sink.send(message));
    }

    /// Pings the peer, and closes the socket when it is silent or has to end.
    async fn keep(self: Rc<Self>) {
        let mut pings = interval(self.sockets.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.tick().await;
        let close = loop {
            let expires = self.state.borrow().expires;
            let ping = tokio::select! {
                _ = pings.tick() => true,
                () = expiry(expires) => false,
                () = self.opened.notified() => continue,
                () = self.sockets.closing.cancelled() => break Close::GoingAway,
            };
            // Also between: a key may be revoked, and a token's key be withdrawn.
            let standing = match self.state.borrow().phase {
                Phase::Open => true,
                Phase::Opening | Phase::Asking | Phase::Closing => false,
            };
            // It is looked at seldom, and takes much room.
            if standing && let Some(close) = Box::pin(self.standing()).await {
                break close;
            }
            if !ping {
                continue;
            }
            let (phase, heard) = {
                let state = self.state.borrow();
                (state.phase, state.heard)
            };
            if phase == Phase::Opening {
                break Close::InitTimeout;
            }
            if heard.elapsed() > self.sockets.silence {
                break Close::Silent;
            }
            self.send(ws::Message::Ping(Bytes::new()));
        };
        if close == Close::GoingAway {
            // Queries and mutations are answered first; subscriptions have no end to wait for.
            let _ = timeout(self.sockets.drain_timeout, self.answers()).await;
        }
        self.close(close);
    }

    async fn answers(&self) {
        while self.state.borrow().owing > 0 {
            self.answered.notified().await;
        }
    }
}

/// Closes a socket whose peer has left too much unread for so long.
async fn lose_patience(connection: Weak<Connection>, patience: Duration) {
    let mut left = patience;
    loop {
        sleep(left).await;
        let Some(connection) = connection.upgrade() else { return };
        let mut state = connection.state.borrow_mut();
        let Some(since) = state.pressed.filter(|_| state.phase != Phase::Closing) else {
            state.impatient = false;
            return;
        };
        left = patience.saturating_sub(since.elapsed());
        drop(state);
        if left.is_zero() {
            connection.close(Close::Slow);
            return;
        }
    }
}

async fn expiry(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn refused(id: &str, code: ErrorCode, message: &str) -> ws::Message {
    protocol::error(id, &refusal::errors(code, message).to_string())
}

/// An operation that has neither begun to stream nor been answered.
pub(super) struct Owing {
    pub(super) connection: Rc<Connection>,
}

impl Owing {
    fn new(connection: Rc<Connection>) -> Self {
        connection.state.borrow_mut().owing += 1;
        Self { connection }
    }
}

impl Drop for Owing {
    fn drop(&mut self) {
        let mut state = self.connection.state.borrow_mut();
        state.owing -= 1;
        if state.owing == 0 {
            self.connection.answered.notify_one();
        }
    }
}
