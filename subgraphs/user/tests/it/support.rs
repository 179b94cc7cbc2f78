//! A subgraph with a database and a clock of its own, and the person at the keyboard.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use chrono::{DateTime, TimeDelta, Utc};
use graphql_kit::{Role, Scope};
use kernel::{IdSource as _, ManualClock, SystemIds};
use platform::{
    Deps, DepsConfig, Shutdown,
    pg::{self, PgConfig},
    rabbit::RabbitConfig,
    redis::RedisConfig,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, QueryResult, Statement};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use user::{
    Config, PasswordConfig, ThrottleConfig,
    app::{NewAccount, Operator},
    domain::AskedTerms,
};

pub const PASSWORD: &str = "correct horse battery staple";
/// Base 64 of 32 bytes.
pub const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

const SESSION: &str = "session { accessToken refreshToken expiresAt refreshExpiresAt user { id email name } }
    userErrors { __typename message code path ... on TooManyAttemptsError { retryAfterSeconds } }";

const KEY_PAYLOAD: &str = "secret
    apiKey { id prefix name scopes ratePerMinute dailyQuota seatsPerShow status createdAt expiresAt revokedAt
        lastUsedAt account { id } }
    userErrors { __typename message code path }";

/// What the keys of [`World::key`] may do.
pub fn terms() -> AskedTerms {
    AskedTerms {
        name: "Box office".to_owned(),
        scopes: Scope::ALL.into(),
        rate_per_minute: 600,
        daily_quota: 10_000,
        seats_per_show: 8,
        expires_at: None,
    }
}

pub struct World {
    pub config: Config,
    pub clock: Arc<ManualClock>,
    pub deps: Deps,
    pub shutdown: Shutdown,
    router: Router,
}

/// What a device keeps.
#[derive(Clone, Debug)]
pub struct Device {
    pub access: String,
    pub refresh: String,
    pub user: String,
}

/// Password hashes that cost next to nothing, and a throttle that nobody meets by accident.
pub fn config() -> Config {
    Config {
        signing_key: SEED.into(),
        password: PasswordConfig { memory_kib: 8, iterations: 1, ..PasswordConfig::default() },
        throttle: ThrottleConfig { free_attempts: 1_000, ..ThrottleConfig::default() },
        ..Config::default()
    }
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
    let name = format!("user_{}", SystemIds.uuid().simple());
    server.execute_unprepared(&format!("create database {name}")).await.expect("PostgreSQL of the tests");
    let config =
        PgConfig { url: with_database(&base, &name).into(), max_connections: 12, ..PgConfig::default() };
    migrations::apply(&pg::connect(&config).await.unwrap()).await.unwrap();
    config
}

impl World {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::over(config, database().await).await
    }

    pub async fn over(config: Config, pg: PgConfig) -> Self {
        let clock = Arc::new(ManualClock::new("2026-06-01T12:00:00Z".parse().unwrap()));
        let shutdown = Shutdown::new();
        let deps_config = DepsConfig {
            pg,
            redis: RedisConfig { url: service("MARQUEE_TEST_REDIS_URL").into(), ..RedisConfig::default() },
            rabbit: RabbitConfig { url: service("MARQUEE_TEST_AMQP_URL").into(), ..RabbitConfig::default() },
        };
        let deps = Deps::connect(&deps_config, clock.clone(), Arc::new(SystemIds), &shutdown).await.unwrap();
        // Tests use it directly.
        until("Redis of the tests", async || deps.redis.ping().await.is_ok()).await;
        let router = user::routes(config.clone(), &deps, &shutdown).unwrap();
        Self { config, clock, deps, shutdown, router }
    }

    /// The same database behind another configuration, as after a new roll-out.
    pub fn reconfigured(&self, config: Config) -> Self {
        Self {
            router: user::routes(config.clone(), &self.deps, &self.shutdown).unwrap(),
            config,
            clock: Arc::clone(&self.clock),
            deps: self.deps.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    pub fn pg(&self) -> &DatabaseConnection {
        &self.deps.pg
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Posts an operation and returns the whole answer.
    pub async fn post(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
    }

    /// Posts a mutation that must not fail at the top, and returns its payload.
    pub async fn mutate(&self, token: Option<&str>, field: &str, input: Value, selection: &str) -> Value {
        let mut kind = field[..1].to_uppercase();
        kind.push_str(&field[1..]);
        let query = format!("mutation($input: {kind}Input!) {{ {field}(input: $input) {{ {selection} }} }}");
        let mut answer = self.post(token, &query, json!({ "input": input })).await;
        assert_eq!(answer.get("errors"), None, "{field}");
        answer["data"][field].take()
    }

    pub async fn sign_up(&self, input: Value) -> Value {
        self.mutate(None, "signUp", input, SESSION).await
    }

    pub async fn log_in(&self, email: &str, password: &str) -> Value {
        let input = json!({ "email": email, "password": password });
        self.mutate(None, "logIn", input, SESSION).await
    }

    pub async fn refresh(&self, token: &str) -> Value {
        self.mutate(None, "refreshSession", json!({ "refreshToken": token }), SESSION).await
    }

    /// A person who has just signed up.
    pub async fn person(&self, email: &str) -> Device {
        device(&self.sign_up(json!({ "email": email, "password": PASSWORD, "name": "Ada" })).await)
    }

    /// Another device of a person who has signed up before.
    pub async fn other_device(&self, email: &str) -> Device {
        device(&self.log_in(email, PASSWORD).await)
    }

    /// A person with these roles, logged in.
    pub async fn person_with(&self, email: &str, roles: &[Role]) -> Device {
        let operator = Operator::new(&self.config, &self.deps).unwrap();
        let new = NewAccount {
            email: email.to_owned(),
            password: PASSWORD.into(),
            name: "Grace".to_owned(),
            roles: roles.to_vec(),
        };
        operator.create_account(new).await.unwrap();
        self.other_device(email).await
    }

    /// Makes a key as an administrator; gives the payload.
    pub async fn create_key(&self, admin: &Device, input: Value) -> Value {
        self.mutate(Some(&admin.access), "createApiKey", input, KEY_PAYLOAD).await
    }

    /// A partner's key that may do everything that keys may: its id and its text.
    pub async fn key(&self, partner_email: &str) -> (String, String) {
        let operator = Operator::new(&self.config, &self.deps).unwrap();
        let created = operator.create_api_key(partner_email, terms()).await.unwrap();
        (created.key.id.to_string(), created.text.expose_secret().to_owned())
    }

    /// Posts a form to the token endpoint: status, headers and body.
    pub async fn token(&self, authorization: Option<&str>, form: &str) -> (StatusCode, HeaderMap, Value) {
        let mut request =
            Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
        (parts.status, parts.headers, body)
    }

    pub async fn me(&self, token: Option<&str>) -> Value {
        let query = "{ me { id email name locale timeZone roles createdAt } }";
        self.post(token, query, json!({})).await
    }

    /// Rows of a statement.
    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        self.pg().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap()
    }

    /// Waits until this many requests wait for a lock of another.
    pub async fn until_waiting(&self, count: usize) {
        until("the locks", async || {
            let sql = "SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            self.rows(sql).await.len() == count
        })
        .await;
    }

    /// Name and body of all events told so far, oldest first.
    pub async fn events(&self) -> Vec<(String, Value)> {
        self.rows("SELECT name, body FROM users.outbox ORDER BY seq")
            .await
            .iter()
            .map(|row| (row.try_get("", "name").unwrap(), row.try_get("", "body").unwrap()))
            .collect()
    }
}

/// The device that a payload with a session was meant for.
pub fn device(payload: &Value) -> Device {
    assert_eq!(payload["userErrors"], json!([]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let session = &payload["session"];
    Device {
        access: text(&session["accessToken"]),
        refresh: text(&session["refreshToken"]),
        user: text(&session["user"]["id"]),
    }
}

/// The type names of a payload's refusals; there must be no result then.
pub fn refusals(payload: &Value) -> Vec<&str> {
    let refusals: Vec<_> = payload["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["__typename"].as_str().unwrap())
        .collect();
    assert!(refusals.is_empty() || payload.get("session").is_none_or(Value::is_null), "{payload}");
    refusals
}

/// The code of the only top-level error.
pub fn error_code(answer: &Value) -> &str {
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    errors[0]["extensions"]["code"].as_str().unwrap()
}

pub fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(Duration::from_secs(20), holds).await;
    waited.unwrap_or_else(|_| panic!("waited too long for {what}"));
}
