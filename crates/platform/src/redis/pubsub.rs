//! Subscriptions over one connection per process.
//!
//! Redis forgets a subscription with its connection and keeps nothing for absent subscribers.
//! So after each reconnect the channels are subscribed again, and then every stream is told
//! [`PubSubEvent::Resync`]: whatever was published in between is lost, read the present state.
//!
//! fred's own `manage_subscriptions` is not used, because it does not tell when it is done: a
//! stream that read the present state before the channels were back would miss what comes next.
//!
//! In a cluster whatever is published anywhere arrives at all nodes, so one of them is asked for everything
//! ([`Home`]). fred would ask the one that has the slot of the client's id, and ask another when the slot moves, while
//! the first goes on: everything would arrive twice.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    bytes::Bytes,
    bytes_utils::Str,
    clients::{Client, WithOptions},
    interfaces::{ClientLike, ClusterInterface, EventInterface, PubsubInterface},
    types::{
        Message, RespVersion,
        config::{Config, Options, Server},
    },
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{RedisError, Servers, builder, supervise};
use crate::{Shutdown, backoff::Backoff};

/// Messages that a stream may lag behind before it has to resync. 64 Ki small deltas are a few
/// megabytes, shared by all streams.
const MESSAGE_BUFFER: usize = 65_536;
/// Lost connections that a stream may lag behind; more are one resync all the same.
const RESYNC_BUFFER: usize = 16;
/// How often an idle connection is tested. Redis does not tell when it vanishes.
const PING_EVERY: Duration = Duration::from_secs(5);

/// The process's subscriptions; clones share them.
#[derive(Clone, Debug)]
pub struct PubSub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    prefix: String,
    /// What should be subscribed, with prefix.
    channels: Mutex<BTreeSet<String>>,
    home: Arc<Home>,
    /// See [`PubSub::servers`].
    servers: Mutex<Option<Arc<Servers>>>,
    resync: broadcast::Sender<()>,
}

/// The node of a cluster that has the subscriptions; none where there is one server, and before the first connection.
#[derive(Debug, Default)]
struct Home(Mutex<Option<Server>>);

impl Home {
    fn now(&self) -> MutexGuard<'_, Option<Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stays where it is as long as that is a primary, and goes on to the next one when it does `not_here`.
    fn choose(&self, client: &Client, not_here: bool) {
        let Some(state) = client.cached_cluster_state() else { return };
        let primaries = state.unique_primary_nodes();
        let mut home = self.now();
        let at = primaries.iter().position(|primary| Some(primary) == home.as_ref());
        let at = match at {
            Some(at) if not_here => (at + 1) % primaries.len(),
            Some(at) => at,
            // Processes spread over the nodes.
            None => client.id().bytes().map(usize::from).sum::<usize>() % primaries.len().max(1),
        };
        *home = primaries.into_iter().nth(at);
    }
}

/// What a stream yields.
#[derive(Clone, Debug)]
pub enum PubSubEvent {
    /// Something was published to one of the process's channels.
    Message(PubSubMessage),
    /// Messages may have been missed (the connection was lost, or this stream was too slow). All
    /// channels are subscribed again: read the present state now.
    Resync,
}

/// A published message.
#[derive(Clone, Debug)]
pub struct PubSubMessage {
    channel: Str,
    prefix: usize,
    /// The bytes as published, not copied.
    pub payload: Bytes,
}

impl PubSubMessage {
    /// The channel, without prefix.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.channel.get(self.prefix..).unwrap_or_default()
    }
}

impl PubSub {
    pub(super) fn connect(
        mut server: Config,
        timeout: Duration,
        prefix: String,
        shutdown: &Shutdown,
    ) -> Result<Self, RedisError> {
        // RESP3 allows ordinary commands (the ping) on a connection with subscriptions.
        server.version = RespVersion::RESP3;
        let client = builder(server, timeout)
            .with_performance_config(|performance| {
                performance.broadcast_channel_capacity = MESSAGE_BUFFER;
            })
            .build()
            .map_err(|_| RedisError::Url)?;
        let shared = Arc::new(Shared {
            client: client.clone(),
            prefix,
            channels: Mutex::default(),
            home: Arc::default(),
            servers: Mutex::default(),
            resync: broadcast::channel(RESYNC_BUFFER).0,
        });
        // Listen before the first connection is made.
        let reconnects = client.reconnect_rx();
        let hard = shutdown.hard();
        let keeper = Arc::clone(&shared);
        shutdown.spawn_background("redis-subscriptions", async move {
            let keeping = futures::future::join(keeper.resubscribe(reconnects), keeper.ping());
            hard.run_until_cancelled(keeping).await;
        });
        supervise(client, shutdown);
        Ok(Self { shared })
    }

    /// Subscribes the process to `channel` (without prefix). After `Ok` nothing published to it
    /// is missed without a [`PubSubEvent::Resync`]; subscribing twice changes nothing. Calls for
    /// one channel have to come one after the other: count the references under a lock.
    ///
    /// # Errors
    /// [`RedisError`]; then the process is not subscribed.
    pub async fn subscribe(&self, channel: &str) -> Result<(), RedisError> {
        let name = self.shared.name(channel);
        // First into the set, so that a reconnect that overtakes this call subscribes it too.
        self.shared.channels().insert(name.clone());
        // A command that waited for the next connection could be in doubt; an error is not.
        let answer = if self.shared.client.is_connected() {
            self.shared.subscribe_now(vec![name.clone()]).await
        } else {
            Err(fred::error::Error::new(fred::error::ErrorKind::Canceled, "not connected"))
        };
        if let Err(error) = answer {
            self.shared.channels().remove(&name);
            return Err(error.into());
        }
        Ok(())
    }

    /// Ends the process's subscription to `channel` (without prefix). Messages that are under
    /// way may still arrive. Without a connection there is nothing to do: the channel is not
    /// subscribed again.
    pub async fn unsubscribe(&self, channel: &str) {
        let name = self.shared.name(channel);
        self.shared.channels().remove(&name);
        if self.shared.client.is_connected()
            && let Err(error) = self.shared.at_home().unsubscribe(name).await
        {
            tracing::debug!(%error, "could not unsubscribe; the next connection forgets it");
        }
    }

    /// A new stream of everything that arrives on any of the process's channels from now on.
    #[must_use]
    pub fn stream(&self) -> PubSubStream {
        PubSubStream {
            messages: self.shared.client.message_rx(),
            resync: self.shared.resync.subscribe(),
            prefix: self.shared.prefix.len(),
            home: self.shared.client.is_clustered().then(|| Arc::clone(&self.shared.home)),
        }
    }

    /// The servers that have the keys, by the names of their present runs. They are asked on each connection, before
    /// its [`PubSubEvent::Resync`], and every few seconds. Nothing while it is not known, and where users of Redis
    /// may not ask.
    #[must_use]
    pub fn servers(&self) -> Option<Arc<Servers>> {
        self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as the servers say now.
    pub async fn ask_servers(&self) -> Option<Arc<Servers>> {
        if self.is_connected()
            && let Err(error) = self.shared.ask_servers().await
        {
            tracing::debug!(%error, "Redis does not tell its name");
        }
        self.servers()
    }

    /// Whether the connection is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.client.is_connected()
    }
}

impl Shared {
    fn name(&self, channel: &str) -> String {
        format!("{}{channel}", self.prefix)
    }

    fn channels(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands that go to the server that has the subscriptions.
    fn at_home(&self) -> WithOptions<Client> {
        let cluster_node = self.home.now().clone();
        self.client.with_options(&Options { cluster_node, ..Options::default() })
    }

    /// Subscribes, and comes back when the server has done it.
    ///
    /// fred answers SUBSCRIBE as soon as it is written and drops the server's confirmation. The
    /// server takes the commands of a connection in order, so that the answer to a ping after it
    /// says that the subscription is in force.
    async fn subscribe_now(&self, channels: Vec<String>) -> Result<(), fred::error::Error> {
        let home = self.at_home();
        home.subscribe(channels).await?;
        home.ping::<()>(None).await
    }

    /// After each connection: subscribe everything again, then tell the streams.
    async fn resubscribe(&self, mut reconnects: broadcast::Receiver<Server>) {
        loop {
            match reconnects.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
            if self.subscribe_all().await {
                if let Err(error) = self.ask_servers().await {
                    tracing::warn!(%error, "Redis does not tell its name (INFO): what a restart loses shows late");
                }
                // Nobody listening is fine.
                let _ = self.resync.send(());
            }
        }
    }

    /// Learns the names of the servers, see [`PubSub::servers`].
    async fn ask_servers(&self) -> Result<(), fred::error::Error> {
        let asked = Servers::ask(&self.client).await;
        let servers = asked.as_ref().ok().cloned().flatten();
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
        asked.map(drop)
    }

    /// True when all channels are subscribed on the present connection; false when it broke, and
    /// the next reconnect will come.
    async fn subscribe_all(&self) -> bool {
        let mut backoff = Backoff::for_connections();
        let mut not_here = false;
        loop {
            self.home.choose(&self.client, not_here);
            let channels: Vec<String> = self.channels().iter().cloned().collect();
            if channels.is_empty() {
                return true;
            }
            // fred announces the connection just before it takes commands; then this waits.
            match self.subscribe_now(channels).await {
                Ok(()) => return true,
                Err(_) if !self.client.is_connected() => return false,
                Err(error) => {
                    tracing::warn!(%error, "could not subscribe again after a reconnect");
                    not_here = true;
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Lets fred notice a dead connection: it closes one that owes an answer for too long. In a cluster another
    /// server than that of the connection may be started anew, so their names are asked, too.
    async fn ping(&self) {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            if !self.client.is_connected() {
                continue;
            }
            if let Err(error) = self.client.ping::<()>(None).await {
                tracing::warn!(%error, "no answer on the connection for subscriptions");
            } else if let Err(error) = self.ask_servers().await {
                tracing::debug!(%error, "Redis does not tell its name");
            }
        }
    }
}

/// One listener; see [`PubSub::stream`].
#[derive(Debug)]
pub struct PubSubStream {
    messages: broadcast::Receiver<Message>,
    resync: broadcast::Receiver<()>,
    prefix: usize,
    /// Of a cluster: who else sends has not heard that nobody asks there any more.
    home: Option<Arc<Home>>,
}

impl PubSubStream {
    /// The next event, or `None` at the end of the process. Cancel safe.
    pub async fn next(&mut self) -> Option<PubSubEvent> {
        loop {
            tokio::select! {
                biased;
                lost = self.resync.recv() => return match lost {
                    Ok(()) | Err(RecvError::Lagged(_)) => Some(PubSubEvent::Resync),
                    Err(RecvError::Closed) => None,
                },
                message = self.messages.recv() => match message {
                    Ok(message) => {
                        if self.home.as_ref().is_some_and(|home| home.now().as_ref() != Some(&message.server)) {
                            continue;
                        }
                        let Some(payload) = message.value.into_bytes() else {
                            continue;
                        };
                        return Some(PubSubEvent::Message(PubSubMessage {
                            channel: message.channel,
                            prefix: self.prefix,
                            payload,
                        }));
                    }
                    Err(RecvError::Lagged(missed)) => {
                        metrics::counter!("redis_pubsub_lagged_total").increment(missed);
                        return Some(PubSubEvent::Resync);
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fred::util::redis_keyslot;
    use own_redis::OwnCluster;
    use tokio::time::timeout;

    use super::*;
    use crate::redis::{Redis, RedisConfig};

    #[tokio::test]
    async fn messages_arrive_once_wherever_slots_go() {
        let mut cluster = OwnCluster::start().await.unwrap();
        let shutdown = Shutdown::new();
        let config = RedisConfig { url: cluster.url().into(), ..RedisConfig::default() };
        let redis = Redis::connect(&config, &shutdown).unwrap();
        let pubsub = redis.subscriber();
        let mut stream = pubsub.stream();
        let mut next = async || timeout(Duration::from_secs(30), stream.next()).await.unwrap().unwrap();
        assert!(matches!(next().await, PubSubEvent::Resync), "connected");
        pubsub.subscribe("channel").await.unwrap();
        let before = pubsub.ask_servers().await;
        assert!(before.is_some());

        // By this slot fred would choose the node.
        let slot = redis_keyslot(pubsub.shared.client.id().as_bytes());
        let from = OwnCluster::owner(slot);
        let (to, other) = ((from + 1) % 3, (from + 2) % 3);
        cluster.move_slot(slot, from, to).await.unwrap();
        cluster.node(other).kill().unwrap();
        cluster.node(other).revive().await.unwrap();
        // There are other resyncs before: one for each node that was connected.
        while pubsub.servers().is_none_or(|now| Some(now) == before) {
            assert!(matches!(next().await, PubSubEvent::Resync), "a connection broke");
        }

        let channel = redis.key("channel");
        let mut subscribed = Vec::new();
        for node in cluster.nodes() {
            subscribed.extend(node.ask(&format!("PUBSUB NUMSUB {channel}")).await.unwrap().pop());
        }
        subscribed.sort();
        assert_eq!(subscribed, ["0", "0", "1"], "or everything would arrive twice");
        cluster.nodes()[to].ask(&format!("PUBLISH {channel} hello")).await.unwrap();
        let message = loop {
            if let PubSubEvent::Message(message) = next().await {
                break message;
            }
        };
        assert_eq!((message.channel(), &*message.payload), ("channel", &b"hello"[..]));
    }
}
