//! Redis: a small set of multiplexed connections for commands and scripts, one connection for
//! subscriptions, and one for the circuit breaker.
//!
//! Commands fail at once while the connection is down and after
//! [`RedisConfig::command_timeout_ms`] otherwise; nothing is queued for a later connection,
//! because a hold that is granted seconds after the buyer was told "no" helps nobody.
//!
//! A circuit breaker knows within a second that Redis is away or back ([`Redis::is_away`]). While
//! it is open scripts and messages are refused at once; it closes by itself.

mod breaker;
mod pubsub;
mod script;
mod servers;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fred::{
    bytes::Bytes,
    clients::{Client, Pipeline, WithOptions},
    error::ErrorKind,
    interfaces::{ClientLike, ClusterInterface, KeysInterface, LuaInterface, PubsubInterface},
    types::{
        Builder, Expiration, Value,
        config::{Config, Options, ReconnectPolicy, UnresponsiveConfig},
    },
    util::redis_keyslot,
};
use futures::future::try_join_all;
use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};

pub use breaker::Outage;
pub use pubsub::{PubSub, PubSubEvent, PubSubMessage, PubSubStream};
pub use script::Script;
pub use servers::Servers;

use breaker::Breaker;

use crate::{Shutdown, backoff::Backoff};

/// A connection whose commands fail fast; has all of fred's command interfaces.
pub type RedisClient = WithOptions<Client>;

/// Commands that may wait for the connection's writer before callers are told to slow down.
const COMMAND_BUFFER: usize = 16_384;
/// Attempts at a command in a cluster, whose keys move: fred counts one for each time that a node says where a key
/// is now. What a connection took with it is not tried again.
const CLUSTER_ATTEMPTS: u32 = 4;
/// After a node of a cluster said that a key is elsewhere: so long the others may need to hear of it.
const CLUSTER_HEARSAY: Duration = Duration::from_millis(20);
/// Names tried to find keys of all nodes of a cluster: for a hundred nodes of the same size half as many will do.
const PROBE_NAMES: u32 = 1_000;
/// A polite good-bye at the end of the process must not hold it up.
const QUIT_WITHIN: Duration = Duration::from_millis(500);

/// Section `[redis]`.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/database]`, `redis-cluster://host:port?node=host:port&node=…` or
    /// `redis-sentinel://…`.
    #[garde(skip)]
    pub url: SecretString,
    /// Put before every key and channel, so that several installations (or tests) can share a
    /// server.
    #[garde(length(max = 64), ascii)]
    pub prefix: String,
    /// Connections for commands. Each is multiplexed: a few saturate a Redis.
    #[garde(range(min = 1, max = 64))]
    pub pool_size: usize,
    /// Milliseconds after which a command fails.
    #[garde(range(min = 10, max = 60_000))]
    pub command_timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            prefix: "marquee:".to_owned(),
            pool_size: 4,
            command_timeout_ms: 1_000,
        }
    }
}

/// Why Redis did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedisError {
    /// The address cannot be parsed.
    #[error("redis.url is no valid Redis URL")]
    Url,
    /// No answer: not connected, too slow, or not serving (loading, failing over). The command
    /// may or may not have been applied.
    #[error("Redis is unavailable: {0}")]
    Unavailable(#[source] fred::error::Error),
    /// Redis answered with an error, or with something of another type than expected.
    #[error("Redis refused a command: {0}")]
    Command(#[source] fred::error::Error),
}

impl RedisError {
    /// True when the same command may work later without any change.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<fred::error::Error> for RedisError {
    fn from(error: fred::error::Error) -> Self {
        // Error replies of a server that is up but does not serve now, see
        // https://redis.io/docs/latest/operate/oss_and_stack/management/replication/ and the
        // shared error objects in Redis's server.c.
        const NOT_SERVING: [&str; 9] = [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "MISCONF",
            "NOREPLICAS",
            "BUSY",
            "OOM",
        ];
        // What fred says of a command that it has not sent: the nodes of a cluster disagree about who has the
        // key, or there is no connection to the one that has it.
        const NOT_SENT: [&str; 2] = ["Too many failed write attempts", "Failed to route command"];
        let not_serving =
            |details: &str| NOT_SERVING.iter().chain(&NOT_SENT).any(|code| details.starts_with(code));
        match error.kind() {
            ErrorKind::IO
            | ErrorKind::Timeout
            | ErrorKind::Canceled
            | ErrorKind::Routing
            | ErrorKind::Cluster
            | ErrorKind::Sentinel
            | ErrorKind::Backpressure
            | ErrorKind::Auth => Self::Unavailable(error),
            _ if not_serving(error.details()) => Self::Unavailable(error),
            _ => Self::Command(error),
        }
    }
}

/// The process's connections to Redis; clones share them.
#[derive(Clone, Debug)]
pub struct Redis {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    prefix: String,
    options: Options,
    clients: Vec<RedisClient>,
    next: AtomicUsize,
    pubsub: PubSub,
    breaker: Breaker,
    /// The breaker's own connection: behind the commands of a busy minute a probe would wait, and
    /// every process would believe that Redis is away just when it does most.
    probe: RedisClient,
}

impl Redis {
    /// Begins to connect in the background and returns at once.
    ///
    /// # Errors
    /// [`RedisError::Url`] when the address cannot be parsed.
    pub fn connect(config: &RedisConfig, shutdown: &Shutdown) -> Result<Self, RedisError> {
        let mut server = Config::from_url(config.url.expose_secret()).map_err(|_| RedisError::Url)?;
        // Not "fail fast" here means: keep trying to reach a server that was never there.
        server.fail_fast = false;
        let timeout = Duration::from_millis(config.command_timeout_ms);
        let attempts = if server.server.is_clustered() { CLUSTER_ATTEMPTS } else { 1 };
        let options = Options {
            fail_fast: true,
            max_attempts: Some(attempts),
            timeout: Some(timeout),
            ..Options::default()
        };
        let connection = |timeout| -> Result<RedisClient, RedisError> {
            // By this number fred follows a key that moved, whatever the options of a command say.
            let client = builder(server.clone(), timeout)
                .with_connection_config(|connection| connection.max_command_attempts = attempts)
                .build()
                .map_err(|_| RedisError::Url)?;
            supervise(client.clone(), shutdown);
            Ok(client.with_options(&Options { timeout: Some(timeout), ..options.clone() }))
        };
        let clients = (0..config.pool_size).map(|_| connection(timeout)).collect::<Result<_, _>>()?;
        let probe = connection(breaker::PATIENCE)?;
        let pubsub = PubSub::connect(server, timeout, config.prefix.clone(), shutdown)?;
        let redis = Self {
            shared: Arc::new(Shared {
                prefix: config.prefix.clone(),
                options,
                clients,
                next: AtomicUsize::new(0),
                pubsub,
                breaker: Breaker::new(),
                probe,
            }),
        };
        let (probed, hard) = (redis.clone(), shutdown.hard());
        shutdown.spawn_background("redis-breaker", async move {
            hard.run_until_cancelled(probed.shared.breaker.watch(|| probed.probe())).await;
        });
        Ok(redis)
    }

    /// True when Redis does not serve: it refuses, hangs, is loading, or takes no writes. Known
    /// within a second.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.shared.breaker.is_away()
    }

    /// True when keys without a common hash tag may be in different places, so that no script can have
    /// both.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.pool().is_clustered()
    }

    /// How often Redis has been away since the process started, now included.
    #[must_use]
    pub fn outages(&self) -> u64 {
        self.shared.breaker.outages()
    }

    /// When Redis was away last, or since when it is. Already there for who sees the change of
    /// [`Redis::outages`] or [`Redis::away`].
    #[must_use]
    pub fn last_outage(&self) -> Option<Outage> {
        self.shared.breaker.last_outage()
    }

    /// [`Redis::is_away`], to wait for a change of it.
    #[must_use]
    pub fn away(&self) -> watch::Receiver<bool> {
        self.shared.breaker.subscribe()
    }

    /// Fails when Redis is away, for callers that use [`Redis::pool`] and need not wait.
    ///
    /// # Errors
    /// [`RedisError::Unavailable`].
    pub fn available(&self) -> Result<(), RedisError> {
        if self.is_away() {
            let error = fred::error::Error::new(ErrorKind::Canceled, "the circuit breaker is open");
            return Err(RedisError::Unavailable(error));
        }
        Ok(())
    }

    /// A write that nobody reads, to each server that has keys: a cluster without one of its nodes is away, because
    /// seats are held by the same rules in PostgreSQL, and with half of Redis by none.
    async fn probe(&self) -> Result<(), fred::error::Error> {
        let connected = || self.shared.clients.iter().filter(|client| client.is_connected());
        if connected().next().is_none() {
            // It may serve others; a server that is full refuses connections.
            return Err(fred::error::Error::new(ErrorKind::IO, "no connection for commands"));
        }
        if self.is_away() {
            // Nothing waits there meanwhile, so they answer at once, or not at all: a connection
            // that is dead without knowing it is to be found now, not by the next buyer.
            try_join_all(connected().map(|client| client.ping::<()>(None))).await?;
        }
        let writes = self.probe_keys().into_iter().map(|key| {
            let expiry = Some(Expiration::PX(1_000));
            self.shared.probe.set::<(), _, _>(key, 1, expiry, None, false)
        });
        try_join_all(writes).await.map(drop)
    }

    /// A key on each server that has keys, as far as they are known.
    fn probe_keys(&self) -> Vec<String> {
        let mut keys = vec![self.key("{alive}")];
        if let Some(routing) = self.shared.probe.cached_cluster_state().filter(|_| self.is_clustered()) {
            let owner = |key: &String| routing.get_server(redis_keyslot(key.as_bytes()));
            let nodes = routing.unique_primary_nodes().len();
            let mut met: BTreeSet<_> = keys.iter().filter_map(owner).collect();
            let names = (0..PROBE_NAMES).map(|name| self.key(&format!("{{alive:{name}}}")));
            for key in names {
                if met.len() >= nodes {
                    break;
                }
                if owner(&key).is_some_and(|node| met.insert(node)) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// `name` with the installation's prefix.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        let mut key = String::with_capacity(self.shared.prefix.len() + name.len());
        key.push_str(&self.shared.prefix);
        key.push_str(name);
        key
    }

    /// The connection to use for the next command: connected ones take turns. Keys given to its
    /// commands are used as they are, so pass them through [`Redis::key`].
    #[must_use]
    pub fn pool(&self) -> &RedisClient {
        let clients = &self.shared.clients;
        let start = self.shared.next.fetch_add(1, Ordering::Relaxed);
        (0..clients.len())
            .map(|offset| &clients[start.wrapping_add(offset) % clients.len()])
            .find(|client| client.is_connected())
            .unwrap_or(&clients[start % clients.len()])
    }

    /// Several commands in one round trip, with the same fail-fast rules as [`Redis::pool`].
    #[must_use]
    pub fn pipeline(&self) -> WithOptions<Pipeline<Client>> {
        self.pool().pipeline().with_options(&self.shared.options)
    }

    /// Runs a script. `keys` are used as they are: pass them through [`Redis::key`], and give
    /// all of them the same hash tag.
    ///
    /// One round trip; a second one only when the server has forgotten the script.
    ///
    /// # Errors
    /// [`RedisError`]; after `Unavailable` the script may still have run, unless
    /// [`Redis::is_away`] was known before.
    pub async fn eval(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, RedisError> {
        let start = Instant::now();
        let answer = self.run(script, keys, args).await;
        script.observe(start.elapsed(), &answer);
        answer
    }

    async fn run(&self, script: &Script, keys: Vec<String>, args: Vec<Value>) -> Result<Value, RedisError> {
        self.available()?;
        let client = self.pool();
        let answer = match client.evalsha(script.sha(), keys.clone(), args.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(script.source(), keys, args).await
            }
            answer => answer,
        };
        self.noted(answer)
    }

    /// An answer; that there is none makes the breaker look.
    fn noted<T>(&self, answer: Result<T, fred::error::Error>) -> Result<T, RedisError> {
        let answer = answer.map_err(RedisError::from);
        if answer.as_ref().is_err_and(RedisError::is_unavailable) {
            self.shared.breaker.suspect();
        }
        answer
    }

    /// Sends `payload` to the subscribers of `channel` (without prefix), and tells how many
    /// connections got it; in a cluster, of those to one of its nodes.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn publish(&self, channel: &str, payload: Bytes) -> Result<u64, RedisError> {
        self.available()?;
        self.noted(self.pool().publish(self.key(channel), payload).await)
    }

    /// The process's subscriptions.
    #[must_use]
    pub fn subscriber(&self) -> PubSub {
        self.shared.pubsub.clone()
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// [`RedisError::Unavailable`] when there is none.
    pub async fn ping(&self) -> Result<(), RedisError> {
        Ok(self.pool().ping(None).await?)
    }

    /// Forgets keys, for tests and admin commands.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn delete(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        Ok(self.pool().del(keys).await?)
    }
}

/// What all connections have in common.
fn builder(server: Config, timeout: Duration) -> Builder {
    let mut builder = Builder::from_config(server);
    // Without an end: 20 ms, 40 ms … 500 ms between attempts.
    let mut policy = ReconnectPolicy::new_exponential(0, 20, 500, 2);
    policy.set_jitter(20);
    builder
        .set_policy(policy)
        .with_performance_config(|performance| {
            performance.default_command_timeout = timeout;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = timeout.max(Duration::from_secs(1));
            connection.internal_command_timeout = timeout.max(Duration::from_secs(1));
            connection.max_command_attempts = 1;
            connection.cluster_cache_update_delay = CLUSTER_HEARSAY;
            connection.max_command_buffer_len = COMMAND_BUFFER;
            connection.tcp.nodelay = Some(true);
            // A server that is stopped or cut off keeps its sockets open: give up on a
            // connection that owes an answer for longer than callers wait for it.
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(timeout * 2),
                interval: (timeout / 2).max(Duration::from_millis(5)),
            };
        });
    builder
}

/// Keeps a client connecting until the hard end of the process. The client reconnects by itself
/// after most errors; its task ends after some (a refused password, say), which may heal too.
fn supervise(client: Client, shutdown: &Shutdown) {
    let hard = shutdown.hard();
    shutdown.spawn_background("redis", async move {
        let mut backoff = Backoff::for_connections();
        let connecting = async {
            loop {
                if let Ok(Err(error)) = client.connect().await {
                    tracing::warn!(%error, "connection to Redis ended; trying again");
                }
                tokio::time::sleep(backoff.next()).await;
            }
        };
        hard.run_until_cancelled(connecting).await;
        let _ = tokio::time::timeout(QUIT_WITHIN, client.quit()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use fred::error::Error;

    #[test]
    fn errors_tell_away_from_wrong() {
        let check = |kind: ErrorKind, details: &'static str, away: bool| {
            assert_eq!(RedisError::from(Error::new(kind, details)).is_unavailable(), away, "{details}");
        };
        check(ErrorKind::Timeout, "Request timed out.", true);
        check(ErrorKind::Canceled, "Connection closed unexpectedly.", true);
        check(ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory", true);
        check(ErrorKind::Unknown, "TRYAGAIN Multiple keys request during rehashing of slot", true);
        check(ErrorKind::Unknown, "Too many failed write attempts.", true);
        check(ErrorKind::Unknown, "WRONGTYPE Operation against a key", false);
        check(ErrorKind::Parse, "Cannot convert to number", false);
    }
}
