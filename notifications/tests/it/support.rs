//! A worker with a database, queues, a mail folder and a clock of its own.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use events::{
    Envelope, Event,
    user::{UserChanged, UserRegistered, UserSnapshot},
};
use kernel::{Clock as _, EventId, Id, IdSource as _, ManualClock, SystemIds, UserId};
use notifications::{Config, RetryPolicy};
use platform::{
    Deps, DepsConfig, Shutdown,
    pg::{self, PgConfig},
    rabbit::RabbitConfig,
    redis::RedisConfig,
};
use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult, Statement};
use tempfile::TempDir;

/// Nothing that works takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

pub struct World {
    pub config: Config,
    pub deps: Deps,
    pub clock: Arc<ManualClock>,
    pub shutdown: Shutdown,
    folder: TempDir,
}

/// A row of `notification.deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Row {
    pub kind: String,
    pub state: String,
    pub attempts: i32,
    pub last_error: Option<String>,
}

fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which starts the services")
    })
}

/// `base` with another path: another database on the same server.
fn with_database(base: &str, name: &str) -> String {
    let start = base.find("://").unwrap() + 3;
    let end = base[start..].find('/').map_or(base.len(), |path| start + path);
    format!("{}/{name}", &base[..end])
}

async fn database() -> PgConfig {
    let base = service("MARQUEE_TEST_PG_URL");
    let server = pg::connect(&PgConfig { url: base.clone().into(), ..PgConfig::default() }).await.unwrap();
    let name = format!("notification_{}", SystemIds.uuid().simple());
    server.execute_unprepared(&format!("create database {name}")).await.expect("PostgreSQL of the tests");
    let config = PgConfig { url: with_database(&base, &name).into(), ..PgConfig::default() };
    migrations::apply(&pg::connect(&config).await.unwrap()).await.unwrap();
    config
}

impl World {
    /// A worker that writes files, retries at once when told the time has come, and is running.
    pub async fn start() -> Self {
        let world = Self::new(Config::default()).await;
        world.run();
        world
    }

    /// A worker that is yet to be started.
    pub async fn new(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config { mail_dir: folder.path().join("mail"), poll_ms: 10, ..config };
        let clock = Arc::new(ManualClock::new("2026-06-01T12:00:00Z".parse().unwrap()));
        let shutdown = Shutdown::new();
        let deps_config = DepsConfig {
            pg: database().await,
            redis: RedisConfig { url: service("MARQUEE_TEST_REDIS_URL").into(), ..RedisConfig::default() },
            rabbit: RabbitConfig {
                url: service("MARQUEE_TEST_AMQP_URL").into(),
                prefix: format!("t{}.", SystemIds.uuid().simple()),
                retry_delays_ms: vec![20],
                ..RabbitConfig::default()
            },
        };
        let deps = Deps::connect(&deps_config, clock.clone(), Arc::new(SystemIds), &shutdown).await.unwrap();
        within("RabbitMQ of the tests", deps.rabbit.connected()).await;
        deps.rabbit.declare(&notifications::queues()).await.unwrap();
        let world = Self { config, deps, clock, shutdown, folder };
        world.advance(TimeDelta::zero()).await;
        world
    }

    /// Lets time go on, for the worker and for the database.
    pub async fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.execute(&format!(
            "CREATE OR REPLACE FUNCTION notification.now() RETURNS timestamptz LANGUAGE sql STABLE
                 AS $$ SELECT timestamptz '{}' $$",
            self.clock.now().to_rfc3339()
        ))
        .await;
    }

    pub fn run(&self) {
        notifications::consumers(&self.config, &self.deps, &self.shutdown).unwrap();
    }

    fn envelope<E: Event>(&self, event: &E) -> Envelope {
        Envelope::new(Id::from_uuid(SystemIds.uuid()), self.clock.now(), event).unwrap()
    }

    /// Tells everyone of `event`.
    pub async fn tell<E: Event>(&self, event: &E) -> Envelope {
        let envelope = self.envelope(event);
        self.deps.rabbit.publish(&envelope).await.unwrap();
        envelope
    }

    /// Tells that a person has signed up, and waits until that is known here.
    pub async fn registered(&self, user: UserSnapshot) {
        let count = format!(
            "SELECT count(*) AS count FROM notification.recipients WHERE user_id = '{}'",
            user.user_id.uuid()
        );
        self.tell(&UserRegistered(user)).await;
        until("the person", async || self.count(&count).await == 1).await;
    }

    pub async fn changed(&self, user: UserSnapshot) {
        self.tell(&UserChanged(user)).await;
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        self.deps.pg.query_one_raw(statement).await.unwrap().unwrap().try_get("", "count").unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        self.deps.pg.execute_unprepared(sql).await.unwrap();
    }

    /// All deliveries, oldest first.
    pub async fn rows(&self) -> Vec<Row> {
        Row::find_by_statement(Statement::from_string(
            DbBackend::Postgres,
            "SELECT kind, state, attempts, last_error FROM notification.deliveries
             ORDER BY created_at, event_id",
        ))
        .all(&self.deps.pg)
        .await
        .unwrap()
    }

    /// Waits until the only delivery is in this state.
    pub async fn row_in(&self, state: &str, attempts: i32) -> Row {
        until("the delivery", async || {
            let rows = self.rows().await;
            // What is claimed has no error yet.
            let settled = |row: &Row| state == "SENT" || row.last_error.is_some();
            rows.len() == 1 && rows[0].state == state && rows[0].attempts == attempts && settled(&rows[0])
        })
        .await;
        self.rows().await.remove(0)
    }

    /// The message about an event, when it has come.
    pub async fn mail(&self, event: EventId) -> String {
        let path = self.config.mail_dir.join(format!("{event}.eml"));
        until("the message", async || path.exists()).await;
        std::fs::read_to_string(path).unwrap()
    }

    /// Names of all files in the mail folder.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mail")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A policy in which the `n`-th retry comes after 2ⁿ⁻¹ seconds.
pub fn seconds(max_attempts: u32) -> RetryPolicy {
    RetryPolicy { first_delay_ms: 1_000, max_delay_ms: 60_000, max_attempts }
}

/// A person, as of `revision`, with an address that tells the revision.
pub fn person(user_id: UserId, revision: i64) -> UserSnapshot {
    UserSnapshot {
        user_id,
        revision,
        email: format!("ada{revision}@example.com"),
        name: "Ada Lovelace".to_owned(),
        locale: "en-GB".to_owned(),
        time_zone: None,
    }
}

/// What `future` yields; it must not take forever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
