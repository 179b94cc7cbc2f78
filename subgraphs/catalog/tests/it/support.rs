//! A catalog with a database of its own, and a clock that stands still.

use std::{env, sync::Arc, time::Duration};

use async_graphql::{Request, Variables};
use catalog::{
    CacheConfig, Scale, SeedOptions, SeedReport,
    app::{App, Kept},
};
use chrono::{DateTime, Utc};
use events::{Envelope, Event};
use graphql_kit::{Caller, Grant, Identity, Limits, Role, Scope, error, shell::Prepare};
use kernel::{ApiKeyId, EventId, ManualClock, SessionId, SystemIds, UserId};
use platform::{
    Redis, Shutdown,
    pg::{self, PgConfig},
    redis::RedisConfig,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

/// A Friday evening in Europe, noon in California, early Saturday in Japan.
pub const NOW: &str = "2026-11-20T20:00:00Z";

/// The catalog under test.
pub struct Catalog {
    pub pg: DatabaseConnection,
    pub clock: Arc<ManualClock>,
    schema: catalog::Schema,
    prepare: Prepare,
}

impl Catalog {
    /// An empty catalog in the new database `catalog_it_<name>`.
    pub async fn empty(name: &str) -> Self {
        let url = env::var("MARQUEE_TEST_PG_URL").expect("run `cargo xtask test`");
        let mut own: url::Url = url.parse().expect("MARQUEE_TEST_PG_URL is a URL");
        let database = format!("catalog_it_{name}");
        let server = connect(&url).await;
        for statement in [
            format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
            format!("CREATE DATABASE {database}"),
        ] {
            server.execute_unprepared(&statement).await.expect("may create databases");
        }
        own.set_path(&database);
        let pg = connect(own.as_str()).await;
        migrations::apply(&pg).await.expect("migrates");
        let clock = Arc::new(ManualClock::new(NOW.parse().unwrap()));
        Self::over(pg, clock, Kept::alone(&CacheConfig::default()), &Shutdown::new())
    }

    /// Another process with the same database.
    pub fn beside(&self, kept: Kept, shutdown: &Shutdown) -> Self {
        Self::over(self.pg.clone(), Arc::clone(&self.clock), kept, shutdown)
    }

    fn over(pg: DatabaseConnection, clock: Arc<ManualClock>, kept: Kept, shutdown: &Shutdown) -> Self {
        let app = App::new(pg.clone(), clock.clone(), Arc::new(SystemIds), kept);
        app.follow(shutdown);
        Self { pg, clock, schema: catalog::schema_within(Limits::default()), prepare: catalog::prepare(app) }
    }

    /// A small catalog in the new database `catalog_it_<name>`.
    pub async fn small(name: &str) -> Self {
        let catalog = Self::empty(name).await;
        catalog.seed(Scale::Small).await;
        catalog
    }

    pub async fn seed(&self, scale: Scale) -> SeedReport {
        let options = SeedOptions { scale, ..SeedOptions::default() };
        catalog::seed(&self.pg, &*self.clock, &SystemIds, &options, |_| {}).await.expect("seeds")
    }

    /// What anybody gets: `data`, and nothing went wrong.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        self.ask_as(Caller::Anonymous, query, variables).await
    }

    /// What `caller` gets.
    pub async fn ask_as(&self, caller: Caller, query: &str, variables: Value) -> Value {
        let response = self.response(caller, query, variables).await;
        assert!(response.errors.is_empty(), "{query}: {:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// The code of the one error that `caller` gets.
    pub async fn refused(&self, caller: Caller, query: &str, variables: Value) -> String {
        let response = self.response(caller, query, variables).await;
        let [error] = &response.errors[..] else { panic!("one error, not {response:?}") };
        match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(async_graphql::Value::String(code)) => code.clone(),
            code => panic!("an error without a code: {code:?}"),
        }
    }

    async fn response(&self, caller: Caller, query: &str, variables: Value) -> async_graphql::Response {
        let request = Request::new(query).variables(Variables::from_json(variables)).data(caller);
        let (schema, request) = (self.schema.clone(), (self.prepare)(request));
        error::finish(tokio::spawn(async move { schema.execute(request).await }).await.unwrap())
    }

    /// A number from the database.
    pub async fn number(&self, sql: &str) -> i64 {
        let row = self.pg.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await;
        row.unwrap().expect("a row").try_get_by_index(0).unwrap()
    }

    /// The events of kind `E` that wait to be published, in order.
    pub async fn events<E: Event>(&self) -> Vec<E> {
        let text = format!(
            "SELECT event_id, version, time, key, body FROM catalog.outbox WHERE name = '{}' ORDER BY seq",
            E::NAME
        );
        let rows = self.pg.query_all_raw(Statement::from_string(DbBackend::Postgres, text)).await.unwrap();
        let envelope = |row: &sea_orm::QueryResult| Envelope {
            id: EventId::from_uuid(row.try_get("", "event_id").unwrap()),
            name: E::NAME.to_owned(),
            version: row.try_get::<i16>("", "version").unwrap() as u16,
            time: row.try_get::<DateTime<Utc>>("", "time").unwrap(),
            key: row.try_get("", "key").unwrap(),
            trace: None,
            body: row.try_get("", "body").unwrap(),
        };
        rows.iter().map(|row| envelope(row).decode().unwrap()).collect()
    }

    pub async fn forget_events(&self) {
        self.pg.execute_unprepared("DELETE FROM catalog.outbox").await.unwrap();
    }
}

/// What processes keep that share a Redis.
pub fn shared_by(redis: &Redis) -> Kept {
    Kept::shared(&CacheConfig::default(), redis.clone())
}

/// A Redis for one test, as one process has it.
pub fn redis(prefix: &str, shutdown: &Shutdown) -> Redis {
    let url = env::var("MARQUEE_TEST_REDIS_URL").expect("run `cargo xtask test`");
    let prefix = format!("catalog-it-{prefix}:");
    Redis::connect(&RedisConfig { url: url.into(), prefix, ..RedisConfig::default() }, shutdown).unwrap()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(15), waiting).await;
    waited.unwrap_or_else(|_| panic!("waited too long until {what}"));
}

async fn connect(url: &str) -> DatabaseConnection {
    let config = PgConfig { url: url.into(), statement_timeout_ms: 0, ..PgConfig::default() };
    pg::connect(&config).await.expect("MARQUEE_TEST_PG_URL is a PostgreSQL URL")
}

/// Somebody with these roles.
pub fn user(roles: &[Role]) -> Caller {
    let (user_id, session_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    Caller::User(Identity::person(
        UserId::from_uuid(user_id),
        SessionId::from_uuid(session_id),
        roles.to_vec(),
    ))
}

/// An API key with every scope that there is.
pub fn api_key() -> Caller {
    let grant = Grant {
        key: ApiKeyId::from_uuid(Uuid::from_u128(3)),
        scopes: Scope::ALL.into(),
        rate_per_minute: 1,
        daily_quota: 1,
        seats_per_show: 1,
    };
    match user(&[]) {
        Caller::User(account) => Caller::User(Identity { grant: Some(grant), ..account }),
        nobody => nobody,
    }
}
