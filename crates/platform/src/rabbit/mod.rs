//! RabbitMQ: publishing with confirms, and consumers with ordered lanes, delayed retries and
//! dead letters.
//!
//! Topology. Events go to one topic exchange, with their name as routing key. Each [`Queue`] is a
//! durable quorum queue bound to the events it wants, and has
//! * one delayed retry queue for each delay, `<queue>.retry.<delay>`: messages wait there until
//!   their time to live is over and are dead-lettered back to the queue;
//! * `<queue>.dead`, where messages end that were refused, failed too often, or were delivered
//!   too often without an answer (a handler that kills its process).
//!
//! All of them dead-letter at least once and refuse instead of dropping (RabbitMQ 3.10 loses
//! messages with any other combination).
//!
//! Invariant: nothing is published before the queues that want it exist, because an exchange
//! drops what no queue is bound to. So a process that publishes ([`crate::outbox`]) first
//! [`Rabbit::declare`]s the queues of *all* consumers, whether it runs them or not. Declared
//! queues are made on each new connection before anything else can use it.

mod answers;
mod connection;
mod consumer;
mod dead;
mod depths;
mod processor;
mod publisher;
mod topology;
mod turn;

use std::{error::Error as StdError, fmt, sync::Arc};

use async_trait::async_trait;
use events::Envelope;
use garde::Validate;
use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use sea_orm::{DbErr, TransactionError};
use secrecy::SecretString;
use serde::Deserialize;

pub use dead::DeadLetter;

use crate::{Shutdown, pg, redis::RedisError};
use connection::{Hub, Link};
pub(crate) use publisher::Outgoing;

/// Section `[rabbit]`.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost`; the default virtual host is written `%2f`.
    #[garde(skip)]
    pub url: SecretString,
    /// The topic exchange of all events.
    #[garde(length(min = 1, max = 64), ascii)]
    pub exchange: String,
    /// Put before the names of the exchange and of all queues, so that several installations (or
    /// tests) can share a virtual host.
    #[garde(length(max = 64), ascii)]
    pub prefix: String,
    /// Milliseconds to wait before each further attempt at a message that failed. After the last
    /// one it is a dead letter.
    #[garde(length(min = 1, max = 16), inner(range(min = 1, max = 86_400_000)))]
    pub retry_delays_ms: Vec<u32>,
}

impl Default for RabbitConfig {
    fn default() -> Self {
        Self {
            url: "amqp://127.0.0.1:5672/%2f".into(),
            exchange: "marquee.events".to_owned(),
            prefix: String::new(),
            retry_delays_ms: vec![1_000, 5_000, 30_000, 120_000, 600_000],
        }
    }
}

/// A queue and how it is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Such as `booking.payments`; without the configured prefix.
    pub name: &'static str,
    /// Names of the events it gets; `*` stands for one word and `#` for any number.
    pub bindings: &'static [&'static str],
    /// Events handled at the same time by one process. Events with the same
    /// [`Envelope::key`] always go through the same lane, in order. With several processes, or
    /// after a retry, an event may overtake another of its key: handlers check the state.
    pub lanes: usize,
    /// Events taken from the broker in advance; at least as many as there are lanes.
    pub prefetch: u16,
}

/// What is done with each event of a queue.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. `Ok` acknowledges it, so the effect has to be durable by then. The
    /// same event may come again, also at the same time in another process: use
    /// [`crate::inbox::record`].
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError>;
}

/// The cause of a [`HandlerError`].
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why an event could not be handled, and so what becomes of it.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Try again after the next delay; a dead letter after the last.
    #[error("will be tried again: {0}")]
    Retry(#[source] BoxError),
    /// Something that every event needs is away (the database, the provider). The lane waits and
    /// tries again in place, so that order is kept, and no attempt is counted: an outage must not
    /// turn events into dead letters.
    #[error("something needed is away: {0}")]
    Unavailable(#[source] BoxError),
    /// It can never work: a dead letter at once.
    #[error("refused: {0}")]
    Reject(#[source] BoxError),
}

impl HandlerError {
    /// [`HandlerError::Retry`] with this cause.
    pub fn retry(cause: impl Into<BoxError>) -> Self {
        Self::Retry(cause.into())
    }

    /// [`HandlerError::Unavailable`] with this cause.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// [`HandlerError::Reject`] with this cause.
    pub fn reject(cause: impl Into<BoxError>) -> Self {
        Self::Reject(cause.into())
    }
}

impl From<DbErr> for HandlerError {
    fn from(error: DbErr) -> Self {
        // A statement that is always too slow belongs to its event, not to the database.
        if pg::is_unavailable(&error) && !pg::is_statement_timeout(&error) {
            Self::unavailable(error)
        } else {
            Self::retry(error)
        }
    }
}

impl<E: Into<Self> + StdError> From<TransactionError<E>> for HandlerError {
    fn from(error: TransactionError<E>) -> Self {
        match error {
            TransactionError::Connection(error) => error.into(),
            TransactionError::Transaction(error) => error.into(),
        }
    }
}

impl From<RedisError> for HandlerError {
    fn from(error: RedisError) -> Self {
        if error.is_unavailable() { Self::unavailable(error) } else { Self::retry(error) }
    }
}

/// An event that does not keep its contract, or that cannot be written down.
impl From<events::DecodeError> for HandlerError {
    fn from(error: events::DecodeError) -> Self {
        Self::reject(error)
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::reject(error)
    }
}

/// Why RabbitMQ did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The address cannot be parsed.
    #[error("rabbit.url is no valid AMQP URL")]
    Url,
    /// There is no connection now.
    #[error("RabbitMQ is not connected")]
    NotConnected,
    /// The connection was lost meanwhile; whether a message arrived is in doubt.
    #[error("the connection to RabbitMQ was lost")]
    Lost,
    /// The connection or channel failed; whether a message arrived is in doubt.
    #[error("RabbitMQ failed: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker refused to take a message (a queue is full or has no majority).
    #[error("RabbitMQ refused the message")]
    Refused,
    /// The queue that the message was meant for does not exist.
    #[error("no queue for the message")]
    Unroutable,
    /// A lane of a consumer panicked.
    #[error("a lane of the consumer panicked")]
    Lane,
    /// An envelope has no JSON form.
    #[error("the event cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
}

impl RabbitError {
    /// Does a queue or an exchange not exist?
    pub fn is_not_found(&self) -> bool {
        let Self::Broker(error) = self else { return false };
        let not_found = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
        matches!(error.kind(), ErrorKind::ProtocolError(said) if *said.kind() == not_found)
    }
}

/// The process's connection to RabbitMQ; clones share it.
#[derive(Clone)]
pub struct Rabbit {
    hub: Arc<Hub>,
}

/// One connection, for whoever publishes much: it tells once when it is lost, instead of each event
/// watching for that.
pub(crate) struct Outlet {
    link: Arc<Link>,
}

impl Outlet {
    /// Like [`Rabbit::publish`], but may never return when the connection is lost: see [`Outlet::lost`].
    pub(crate) async fn publish(&self, event: &Outgoing<'_>) -> Result<(), RabbitError> {
        self.link.publisher().publish(event).await
    }

    /// Returns when the connection is lost: all that is under way is in doubt.
    pub(crate) async fn lost(&self) {
        self.link.down().cancelled().await;
    }
}

impl Rabbit {
    /// Begins to connect in the background and returns at once. The connection is made again
    /// whenever it is lost, and closed at [`Shutdown::hard`].
    ///
    /// # Errors
    /// [`RabbitError::Url`] when the address cannot be parsed.
    pub fn connect(config: &RabbitConfig, shutdown: &Shutdown) -> Result<Self, RabbitError> {
        Ok(Self { hub: Hub::start(config, shutdown)? })
    }

    /// Makes sure that these queues exist before anything is published over this connection or
    /// any later one. Without a connection that happens when there is one.
    ///
    /// # Errors
    /// The broker refused (say, a queue of that name exists with other properties).
    pub async fn declare(&self, queues: &[Queue]) -> Result<(), RabbitError> {
        self.hub.declare(queues).await
    }

    /// Publishes an event, and returns when the broker has taken responsibility for it. An event
    /// that no queue wants is not an error.
    ///
    /// # Errors
    /// [`RabbitError`]: the event may or may not have been published; publish it again.
    pub async fn publish(&self, event: &Envelope) -> Result<(), RabbitError> {
        let link = self.hub.current().ok_or(RabbitError::NotConnected)?;
        link.publish(event).await
    }

    /// The connection to publish much on, if there is one.
    pub(crate) fn outlet(&self) -> Option<Outlet> {
        self.hub.current().map(|link| Outlet { link })
    }

    /// Consumes `queue` until the soft step of `shutdown`, then finishes the events already
    /// taken. Declares the queue. Returns at once: the work is a task of `shutdown`.
    pub fn consume(&self, queue: Queue, handler: Arc<dyn Handler>, shutdown: &Shutdown) {
        consumer::spawn(Arc::clone(&self.hub), queue, handler, shutdown);
    }

    /// The exchange of all events, as the broker knows it.
    pub(crate) fn exchange(&self) -> &str {
        self.hub.names.exchange()
    }

    /// Whether the connection is up and the queues are declared.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.hub.current().is_some()
    }

    /// Returns once [`Rabbit::is_connected`].
    pub async fn connected(&self) {
        self.hub.link().await;
    }

    /// The number of messages ready in a queue, given by its full name without prefix (say,
    /// `booking.payments.dead`).
    ///
    /// # Errors
    /// [`RabbitError`]; the queue may not exist ([`RabbitError::is_not_found`]).
    pub async fn depth(&self, name: &str) -> Result<u32, RabbitError> {
        dead::depth(&self.hub, name).await
    }

    /// Deletes these queues with their retry queues, dead letters and all messages, and the exchange:
    /// for taking an installation down. Nothing may use them any more.
    ///
    /// # Errors
    /// [`RabbitError`]; it may be called again.
    pub async fn delete(&self, queues: &[Queue]) -> Result<(), RabbitError> {
        let link = self.hub.current().ok_or(RabbitError::NotConnected)?;
        link.on_channel(async |channel| topology::delete(channel, &self.hub.names, queues).await).await
    }

    /// The oldest `limit` dead letters of `queue`, which stay where they are.
    ///
    /// # Errors
    /// [`RabbitError`].
    pub async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, RabbitError> {
        dead::list(&self.hub, queue, limit).await
    }

    /// Moves up to `limit` of the oldest dead letters of `queue` back to it, with all their
    /// attempts before them, and tells how many.
    ///
    /// # Errors
    /// [`RabbitError`]; some may have been moved already.
    pub async fn replay(&self, queue: &str, limit: usize) -> Result<usize, RabbitError> {
        dead::replay(&self.hub, queue, limit).await
    }

    /// Moves the dead letter of `queue` with this [`DeadLetter::id`] back to it, like
    /// [`Rabbit::replay`]. False when there is none.
    ///
    /// # Errors
    /// [`RabbitError`]; it may have been moved already.
    pub async fn replay_one(&self, queue: &str, id: &str) -> Result<bool, RabbitError> {
        dead::replay_one(&self.hub, queue, id).await
    }
}

impl fmt::Debug for Rabbit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rabbit").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}
