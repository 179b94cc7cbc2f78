//! Services, databases and waiting.

mod proxy;

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use events::Envelope;
use kernel::{
    id::EventId,
    source::{IdSource, SystemClock, SystemIds},
};
use platform::{
    Deps, DepsConfig, Rabbit, Shutdown,
    pg::{self, PgConfig},
    rabbit::RabbitConfig,
    redis::RedisConfig,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::SchemaManager;
use uuid::Uuid;

pub use proxy::Proxy;

/// The schema of all tests here.
pub const SCHEMA: &str = "probe";
/// Nothing that works takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// The address of a service that `cargo xtask test` has started.
fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which starts the services")
    })
}

pub fn redis_url() -> String {
    service("MARQUEE_TEST_REDIS_URL")
}

pub fn amqp_url() -> String {
    service("MARQUEE_TEST_AMQP_URL")
}

pub fn uuid() -> Uuid {
    SystemIds.uuid()
}

/// `base` with another path: another database on the same server.
fn with_database(base: &str, name: &str) -> String {
    let authority_end = base
        .find("://")
        .and_then(|start| base[start + 3..].find('/').map(|path| start + 3 + path))
        .unwrap_or(base.len());
    format!("{}/{name}", &base[..authority_end])
}

/// A database of the test's own, with an outbox and an inbox in [`SCHEMA`].
pub async fn database() -> PgConfig {
    let base = service("MARQUEE_TEST_PG_URL");
    let server = pg::connect(&PgConfig { url: base.clone().into(), ..PgConfig::default() }).await.unwrap();
    let name = format!("platform_{}", uuid().simple());
    server.execute_unprepared(&format!("create database {name}")).await.expect("PostgreSQL of the tests");
    let config =
        PgConfig { url: with_database(&base, &name).into(), max_connections: 8, ..PgConfig::default() };
    let pg = pg::connect(&config).await.unwrap();
    migrations::messaging::create(&SchemaManager::new(&pg), SCHEMA).await.unwrap();
    config
}

/// Shows logs of failed tests when `RUST_LOG` asks for them.
fn show_logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// Queues of the test's own, and short delays.
pub fn rabbit_config() -> RabbitConfig {
    show_logs();
    RabbitConfig {
        url: amqp_url().into(),
        prefix: format!("t{}.", uuid().simple()),
        retry_delays_ms: vec![50, 100],
        ..RabbitConfig::default()
    }
}

/// Keys of the test's own.
pub fn redis_config() -> RedisConfig {
    RedisConfig {
        url: redis_url().into(),
        prefix: format!("t{}:", uuid().simple()),
        pool_size: 2,
        command_timeout_ms: 300,
    }
}

pub async fn deps(config: &DepsConfig, shutdown: &Shutdown) -> Deps {
    Deps::connect(config, Arc::new(SystemClock), Arc::new(SystemIds), shutdown).await.unwrap()
}

/// A connection that is up.
pub async fn rabbit(config: &RabbitConfig, shutdown: &Shutdown) -> Rabbit {
    let rabbit = Rabbit::connect(config, shutdown).unwrap();
    within("RabbitMQ of the tests", rabbit.connected()).await;
    rabbit
}

/// The `number`-th event of `key`.
pub fn event(key: Uuid, number: u64) -> Envelope {
    Envelope {
        id: EventId::from_uuid(uuid()),
        name: "probe.happened".to_owned(),
        version: 1,
        time: DateTime::UNIX_EPOCH,
        key,
        trace: None,
        body: serde_json::json!({ "number": number }),
    }
}

pub fn number(event: &Envelope) -> u64 {
    event.body["number"].as_u64().unwrap()
}

/// What `future` yields; it must not take forever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Waits until `condition` holds.
pub async fn until<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    within(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub async fn outbox_rows(pg: &DatabaseConnection) -> i64 {
    pg.query_one_raw(sea_orm::Statement::from_string(
        sea_orm::DbBackend::Postgres,
        format!("select count(*) as rows from {SCHEMA}.outbox"),
    ))
    .await
    .unwrap()
    .unwrap()
    .try_get("", "rows")
    .unwrap()
}
