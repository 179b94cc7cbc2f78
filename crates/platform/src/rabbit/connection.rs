//! One connection per process, made again whenever it is lost.
//!
//! lapin can recover connections itself, but then publishes and acknowledgements that were under
//! way are in doubt without their callers knowing. Here a lost connection fails everything on it,
//! and everybody starts afresh on the next one.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use events::Envelope;
use futures::{StreamExt, future::try_join_all};
use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::ExposeSecret;
use tokio::{
    sync::{Mutex, watch},
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Queue, RabbitConfig, RabbitError,
    publisher::Publisher,
    topology::{self, Names, short},
    turn,
};
use crate::{Shutdown, backoff::Backoff};

/// Seconds between heartbeats: a broker that is stopped or cut off is given up after two, and a
/// consumer that hangs loses what it was sent to others.
const HEARTBEAT: u16 = 4;
/// Milliseconds for the TCP connection and the handshake.
const CONNECT_TIMEOUT: u64 = 5_000;
/// A broker that has not let us in by then, queues and all, is not well: try again.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// The polite good-bye at the end of the process must not hold it up.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// How often the state of the connection is looked at, besides listening to its events.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// AMQP's reply code for an end without error.
const REPLY_SUCCESS: u16 = 200;

/// The maker of connections.
pub(super) struct Hub {
    pub(super) names: Names,
    uri: AMQPUri,
    link: watch::Sender<Option<Arc<Link>>>,
    /// Queues to declare on each new connection. Locked while they are, so that a queue that is
    /// added meanwhile is not forgotten.
    queues: Mutex<Vec<Queue>>,
}

/// A connection that is up, with all queues declared.
pub(super) struct Link {
    connection: Connection,
    publisher: Publisher,
    down: CancellationToken,
    /// Queues that were declared over this connection.
    declared: std::sync::Mutex<Vec<Queue>>,
}

impl Hub {
    pub(super) fn start(config: &RabbitConfig, shutdown: &Shutdown) -> Result<Arc<Self>, RabbitError> {
        let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(|_| RabbitError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT);
        let hub = Arc::new(Self {
            names: Names::new(config),
            uri,
            link: watch::Sender::new(None),
            queues: Mutex::default(),
        });
        let keeper = Arc::clone(&hub);
        let hard = shutdown.hard();
        shutdown.spawn_background("rabbitmq", async move {
            hard.run_until_cancelled(keeper.keep_connected()).await;
            if let Some(link) = keeper.link.send_replace(None) {
                link.close().await;
            }
        });
        Ok(hub)
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Arc<Link>> {
        self.link.borrow().clone()
    }

    /// The connection, as soon as there is one.
    pub(super) async fn link(&self) -> Arc<Link> {
        let mut changes = self.link.subscribe();
        loop {
            if let Some(link) = changes.borrow_and_update().clone() {
                return link;
            }
            if changes.changed().await.is_err() {
                // The sender lives as long as this hub.
                std::future::pending::<()>().await;
            }
        }
    }

    pub(super) async fn declare(&self, queues: &[Queue]) -> Result<(), RabbitError> {
        let mut known = self.queues.lock().await;
        for queue in queues {
            if !known.contains(queue) {
                known.push(*queue);
            }
        }
        let Some(link) = self.current() else {
            return Ok(());
        };
        link.declare(&self.names, queues).await
    }

    async fn keep_connected(&self) {
        let mut backoff = Backoff::for_connections();
        loop {
            match timeout(OPEN_WITHIN, self.open()).await {
                Ok(Ok(link)) => {
                    tracing::info!("connected to RabbitMQ");
                    metrics::gauge!("rabbitmq_connected").set(1.0);
                    backoff.reset();
                    link.lost().await;
                    metrics::gauge!("rabbitmq_connected").set(0.0);
                    tracing::warn!("connection to RabbitMQ lost");
                    // In this order, so that whoever is told finds no connection rather than this.
                    self.link.send_replace(None);
                    link.down.cancel();
                    link.close().await;
                }
                Ok(Err(error)) => tracing::warn!(%error, "cannot connect to RabbitMQ"),
                Err(_) => tracing::warn!("cannot connect to RabbitMQ: no answer"),
            }
            sleep(backoff.next()).await;
        }
    }

    /// Connects, declares, and only then lets others use the connection.
    async fn open(&self) -> Result<Arc<Link>, RabbitError> {
        let properties = ConnectionProperties::default().with_connection_name("marquee".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        topology::declare_exchange(&channel, &self.names).await?;
        let publisher = Publisher::new(channel, &self.names).await?;
        let (down, declared) = (CancellationToken::new(), std::sync::Mutex::default());
        let link = Arc::new(Link { connection, publisher, down, declared });
        let queues = self.queues.lock().await;
        link.declare(&self.names, &queues).await?;
        self.link.send_replace(Some(Arc::clone(&link)));
        drop(queues);
        Ok(link)
    }
}

impl Link {
    /// Cancelled when this connection is lost.
    pub(super) fn down(&self) -> &CancellationToken {
        &self.down
    }

    /// What `answer` yields, or an error as soon as the connection is lost. Everything that waits
    /// for the broker waits here: lapin leaves some of its futures pending when the connection
    /// breaks at the wrong moment.
    pub(super) async fn alive<T>(
        &self,
        answer: impl Future<Output = Result<T, RabbitError>>,
    ) -> Result<T, RabbitError> {
        self.down.run_until_cancelled(answer).await.unwrap_or(Err(RabbitError::Lost))
    }

    /// Declares those of these queues that were not declared over this connection yet, at the same
    /// time: a process that starts has dozens of them to declare before it can do anything.
    async fn declare(&self, names: &Names, queues: &[Queue]) -> Result<(), RabbitError> {
        let new: Vec<Queue> = {
            let declared = self.declared();
            queues.iter().filter(|queue| !declared.contains(queue)).copied().collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let declaring = new.iter().map(|queue| {
            self.on_channel(async move |channel| topology::declare(channel, names, queue).await)
        });
        turn::in_turn(self, names, try_join_all(declaring)).await?;
        self.declared().extend(new);
        Ok(())
    }

    /// The next one who declares this queue does so for sure.
    pub(super) fn forget(&self, queue: &Queue) {
        self.declared().retain(|declared| declared != queue);
    }

    fn declared(&self) -> MutexGuard<'_, Vec<Queue>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new channel on this connection.
    pub(super) async fn channel(&self) -> Result<Channel, RabbitError> {
        self.alive(async { Ok(self.connection.create_channel().await?) }).await
    }

    /// Does something on a channel of its own, which is closed afterwards.
    pub(super) async fn on_channel<T>(
        &self,
        work: impl AsyncFnOnce(&Channel) -> Result<T, RabbitError>,
    ) -> Result<T, RabbitError> {
        let channel = self.channel().await?;
        let answer = self.alive(work(&channel)).await;
        self.close_channel(&channel).await;
        answer
    }

    /// Closes a channel that is no longer needed; messages without an answer go back to their
    /// queues.
    pub(super) async fn close_channel(&self, channel: &Channel) {
        if channel.status().connected() {
            let closing = async { Ok(channel.close(REPLY_SUCCESS, short("done")).await?) };
            if let Err(error) = self.alive(closing).await {
                tracing::debug!(%error, "channel was gone before it was closed");
            }
        }
    }

    /// Publishes an event and waits for its confirm.
    pub(super) async fn publish(&self, event: &Envelope) -> Result<(), RabbitError> {
        self.alive(self.publisher.publish_event(event)).await
    }

    /// For those who publish much and watch the connection themselves.
    pub(super) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    fn is_up(&self) -> bool {
        self.connection.status().connected() && self.publisher.is_up()
    }

    /// Returns when the connection, or the channel that all publish on, is no longer usable.
    async fn lost(&self) {
        let mut events = std::pin::pin!(self.connection.events_listener());
        let mut listening = true;
        let mut look = interval(LOOK_EVERY);
        while self.is_up() {
            tokio::select! {
                event = events.next(), if listening => listening = event.is_some(),
                _ = look.tick() => {}
            }
        }
    }

    /// Ends the connection and with it all channels, also those of consumers.
    async fn close(&self) {
        if self.connection.status().connected() {
            let closing = self.connection.close(REPLY_SUCCESS, short("closing"));
            let _ = timeout(CLOSE_WITHIN, closing).await;
        }
    }
}
