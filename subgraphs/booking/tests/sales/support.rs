//! A subgraph with a database, a Redis prefix, a provider and a clock of its own.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use booking::Config;
use booking::app::App;
use booking::app::cancel::{CancelError, CancelRequest, Cancelled};
use booking::app::checkout::{CheckedOut, CheckoutError, CheckoutRequest, PaymentState};
use booking::app::seats::Target;
use booking::config::{HoldsConfig, PaymentsConfig};
use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::{Payment, Refund};
use booking::domain::signature;
use booking::store;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ed25519_dalek::{Signer as _, SigningKey};
use events::show::{KindPrice, ShowScheduled, ShowSnapshot};
use events::{Envelope, Event};
use graphql_kit::{AuthConfig, Identity, Role, TokenVerifier};
use kernel::{
    BookingId, Clock as _, Currency, EventId, HoldId, IdSource as _, Layout, ManualClock, Money, MovieId,
    ScreenId, SeatKind, SessionId, ShowId, SystemClock, SystemIds, TheaterId, UserId,
};
use platform::pg::{self, PgConfig};
use platform::rabbit::RabbitConfig;
use platform::redis::RedisConfig;
use platform::{Deps, DepsConfig, HandlerError, Shutdown};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::provider::{Provider, WEBHOOK_SECRET};

/// Base 64 of 32 bytes.
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const TOKEN_SEED: [u8; 32] = [5; 32];

pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub provider: Provider,
    pub show: ShowSnapshot,
    router: Router,
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

/// Held while somebody makes the template.
const TEMPLATE_LOCK: i64 = 0x7361_6c65;

/// A database of its own: a copy of one that this very build of the tests migrated.
async fn database() -> PgConfig {
    let base = service("MARQUEE_TEST_PG_URL");
    // Session locks belong to a connection: there must be one only.
    let server = PgConfig { url: base.clone().into(), max_connections: 1, ..PgConfig::default() };
    let server = pg::connect(&server).await.unwrap();
    let run = async |sql: String| server.execute_unprepared(&sql).await.expect("PostgreSQL of the tests");
    let at = |name: &str| PgConfig {
        url: with_database(&base, name).into(),
        max_connections: 12,
        ..PgConfig::default()
    };
    let built = std::env::current_exe().unwrap().metadata().unwrap().modified().unwrap();
    let built = built.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let (template, draft) = (format!("sales_{built}"), format!("sales_{built}_draft"));
    let name = format!("sales_{}", SystemIds.uuid().simple());
    run(format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    if run(format!("select 1 from pg_database where datname = '{template}'")).await.rows_affected() == 0 {
        run(format!("drop database if exists {draft} with (force)")).await;
        run(format!("create database {draft}")).await;
        let conn = pg::connect(&at(&draft)).await.unwrap();
        migrations::apply(&conn).await.unwrap();
        conn.close().await.unwrap();
        run(format!("alter database {draft} rename to {template}")).await;
    }
    run(format!("create database {name} template {template}")).await;
    run(format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    server.close().await.unwrap();
    at(&name)
}

/// A show three days from now with two rows of eight, 12.00 EUR and 15.50 EUR.
fn show(now: DateTime<Utc>) -> ShowSnapshot {
    let starts_at = now.trunc_subsecs(0) + TimeDelta::days(3);
    ShowSnapshot {
        show_id: ShowId::from_uuid(SystemIds.uuid()),
        revision: 1,
        movie_id: MovieId::from_uuid(SystemIds.uuid()),
        title: "The General".into(),
        theater_id: TheaterId::from_uuid(SystemIds.uuid()),
        theater_name: "Roxy".into(),
        screen_id: ScreenId::from_uuid(kernel::seating::screen_uuid(SystemIds.uuid())),
        screen_name: "Screen 1".into(),
        starts_at,
        ends_at: starts_at + TimeDelta::hours(2),
        time_zone: "Europe/Berlin".into(),
        currency: Currency::EUR,
        layout: Layout::from_str("A:RRRR_RRRR/B:PPPPPPPP").unwrap(),
        blocked: Vec::new(),
        prices: vec![
            KindPrice { kind: SeatKind::Regular, minor: 1_200 },
            KindPrice { kind: SeatKind::Premium, minor: 1_550 },
        ],
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let world = Self::over(database().await, adjust).await;
        eventually("Redis answers", async || world.app.deps.redis.ping().await.ok()).await;
        world.tell(&ShowScheduled(world.show.clone())).await.unwrap();
        world
    }

    /// One whose PostgreSQL is away.
    pub async fn without_pg() -> Self {
        let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
        Self::over(PgConfig { url: nowhere.into(), acquire_timeout_ms: 200, ..PgConfig::default() }, |_| {}).await
    }

    async fn over(pg: PgConfig, adjust: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shutdown = Shutdown::new();
        let provider = Provider::start().await;
        let mut config = Config {
            ticket_signing_key: SEED.into(),
            // Redis keeps holds by its own clock, which goes on while ours leaps.
            holds: HoldsConfig { ttl_seconds: 86_400, longest_seconds: 86_400, ..HoldsConfig::default() },
            payments: PaymentsConfig {
                api_base: provider.url(),
                secret_key: "sk_test".into(),
                webhook_secrets: vec![WEBHOOK_SECRET.into()],
                pay_url_template: Some("http://pay.test/pay/{intent}?client_secret={client_secret}".into()),
                max_attempts: 1,
                breaker_failures: 1_000,
                ..PaymentsConfig::default()
            },
            ..Config::default()
        };
        adjust(&mut config);
        let deps_config = DepsConfig {
            pg,
            redis: RedisConfig {
                url: service("MARQUEE_TEST_REDIS_URL").into(),
                prefix: format!("sales:{}:", SystemIds.uuid().simple()),
                ..RedisConfig::default()
            },
            rabbit: RabbitConfig { url: service("MARQUEE_TEST_AMQP_URL").into(), ..RabbitConfig::default() },
        };
        let deps = Deps::connect(&deps_config, clock.clone(), Arc::new(SystemIds), &shutdown).await.unwrap();
        let app = App::new(config, deps).unwrap();
        let router = booking::routes_over(&app, verifier(&app), &shutdown);
        let show = show(clock.now());
        Self { app, clock, provider, show, router }
    }

    pub fn show_id(&self) -> ShowId {
        self.show.show_id
    }

    /// Makes it this long before the show.
    pub fn before_show(&self, left: TimeDelta) {
        self.clock.set(self.show.starts_at - left);
    }

    // --- people ---

    pub fn person(&self) -> UserId {
        UserId::from_uuid(SystemIds.uuid())
    }

    /// Holds seats of the show.
    pub async fn hold(&self, user: UserId, seats: &[u16]) -> HoldId {
        let who = identity(user);
        let show = self.app.seats.show_to_hold(self.show_id()).await.unwrap();
        let key = SystemIds.uuid().to_string();
        self.app.seats.hold(&who, &show, seats, &key).await.unwrap().id
    }

    /// Makes Redis believe that the booking has no seats, whatever it is told later.
    pub async fn forget_in_redis(&self, booking: &Booking) {
        self.app.seats.apply(booking.id, 1_000, &[], Target::Freed).await.unwrap();
    }

    /// Redis comes back empty.
    pub async fn lose_redis(&self) {
        let redis = &self.app.deps.redis;
        let script = platform::Script::new("local keys = redis.call('keys', ARGV[1] .. '*') for _, key in ipairs(keys) do redis.call('del', key) end return #keys");
        redis.eval(&script, vec![redis.key("any")], vec![redis.key("").into()]).await.unwrap();
    }

    /// The letters of all seats as everybody sees them.
    pub async fn states(&self) -> String {
        let answer = self
            .post(
                None,
                "query($show: [_Any!]!) { _entities(representations: $show) { ... on Show { seatMap { states } } } }",
                json!({ "show": [{ "__typename": "Show", "id": self.show_id() }] }),
            )
            .await;
        answer["data"]["_entities"][0]["seatMap"]["states"].as_str().unwrap().to_owned()
    }

    pub async fn checkout(&self, user: UserId, hold: HoldId, key: &str) -> Result<CheckedOut, CheckoutError> {
        self.app.checkout(&CheckoutRequest { user, hold, idempotency_key: key.to_owned() }).await
    }

    /// A booking that waits for its payment.
    pub async fn pending(&self, user: UserId, seats: &[u16]) -> (Booking, Payment) {
        let hold = self.hold(user, seats).await;
        let CheckedOut { booking, payment } = self.checkout(user, hold, &hold.to_string()).await.unwrap();
        let PaymentState::Ready(payment) = payment else { panic!("no payment") };
        (booking, *payment)
    }

    /// A booking that was paid, with all that follows done.
    pub async fn confirmed(&self, user: UserId, seats: &[u16]) -> (Booking, Payment) {
        let (booking, payment) = self.pending(user, seats).await;
        self.webhook(&self.provider.pay(&payment.intent)).await;
        self.deliver().await;
        assert_eq!(self.status(booking.id).await, BookingStatus::Confirmed);
        (booking, payment)
    }

    pub async fn cancel(&self, user: UserId, booking: BookingId, key: &str) -> Result<Cancelled, CancelError> {
        self.app.booking_cancel(&CancelRequest { user, booking, idempotency_key: key.to_owned() }).await
    }

    // --- the provider's messages ---

    /// Posts a webhook as the provider does; it must be accepted.
    pub async fn webhook(&self, body: &Value) {
        assert_eq!(self.webhook_at(body, self.clock.now(), WEBHOOK_SECRET).await, StatusCode::OK);
    }

    pub async fn webhook_at(&self, body: &Value, at: DateTime<Utc>, secret: &str) -> StatusCode {
        let body = body.to_string();
        let header = signature::sign(secret.as_bytes(), at.timestamp(), body.as_bytes()).unwrap();
        self.webhook_raw(Some(&header), body).await
    }

    pub async fn webhook_raw(&self, signature: Option<&str>, body: String) -> StatusCode {
        let mut request = Request::post("/webhooks/stripe");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let request = request.body(Body::from(body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    // --- events ---

    /// Takes all events out of the outbox, oldest first.
    pub async fn take_events(&self) -> Vec<Envelope> {
        let sql = "delete from booking.outbox
                   returning key, seq, event_id, name, version::int as version, time, trace, body";
        let mut rows: Vec<(i64, Envelope)> = self
            .rows(sql)
            .await
            .iter()
            .map(|row| {
                let version: i32 = row.try_get("", "version").unwrap();
                let envelope = Envelope {
                    id: EventId::from_uuid(row.try_get("", "event_id").unwrap()),
                    name: row.try_get("", "name").unwrap(),
                    version: u16::try_from(version).unwrap(),
                    time: row.try_get("", "time").unwrap(),
                    key: row.try_get("", "key").unwrap(),
                    trace: row.try_get("", "trace").unwrap(),
                    body: row.try_get("", "body").unwrap(),
                };
                (row.try_get("", "seq").unwrap(), envelope)
            })
            .collect();
        rows.sort_by_key(|(seq, _)| *seq);
        rows.into_iter().map(|(_, envelope)| envelope).collect()
    }

    /// Names of the events in the outbox, oldest first.
    pub async fn told(&self) -> Vec<String> {
        let rows = self.rows("select name from booking.outbox order by seq").await;
        rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
    }

    /// Hands one event to everybody who wants it.
    pub async fn hand(&self, event: &Envelope) -> Result<(), HandlerError> {
        for (queue, handler) in booking::consumers::handlers(&self.app) {
            if queue.bindings.iter().any(|binding| wants(binding, &event.name)) {
                handler.handle(event).await?;
            }
        }
        Ok(())
    }

    pub async fn tell<E: Event>(&self, event: &E) -> Result<(), HandlerError> {
        let id = EventId::from_uuid(SystemIds.uuid());
        self.hand(&Envelope::new(id, self.clock.now(), event).unwrap()).await
    }

    /// Delivers events, and those that follow from them, until there are none. Each comes twice.
    pub async fn deliver(&self) {
        loop {
            let events = self.take_events().await;
            if events.is_empty() {
                return;
            }
            for event in events {
                self.hand(&event).await.unwrap();
                self.hand(&event).await.unwrap();
            }
        }
    }

    // --- what the tables say ---

    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        self.app.deps.pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        self.app.deps.pg.execute_unprepared(sql).await.unwrap();
    }

    pub async fn booking(&self, id: BookingId) -> Booking {
        store::bookings::booking_get(&self.app.deps.pg, id).await.unwrap().unwrap()
    }

    pub async fn status(&self, id: BookingId) -> BookingStatus {
        self.booking(id).await.status
    }

    pub async fn refunds(&self, id: BookingId) -> Vec<Refund> {
        store::refunds::refund_list(&self.app.deps.pg, &[id]).await.unwrap()
    }

    pub async fn tickets(&self, id: BookingId) -> Vec<u16> {
        let tickets = store::tickets::ticket_list(&self.app.deps.pg, &[id]).await.unwrap();
        tickets.iter().map(|ticket| ticket.seat_no).collect()
    }

    /// Who owns which seats, and whether they are paid.
    pub async fn owned(&self) -> Vec<(u16, BookingId, bool)> {
        let allocations =
            store::allocations::allocation_list(&self.app.deps.pg, self.show_id()).await.unwrap();
        allocations.into_iter().map(|a| (a.seat_no, a.booking, a.sold)).collect()
    }

    // --- GraphQL ---

    /// Posts an operation as `user` and returns the whole answer.
    pub async fn post(&self, user: Option<UserId>, query: &str, variables: Value) -> Value {
        self.post_as(user, &["CUSTOMER"], query, variables).await
    }

    pub async fn post_as(&self, user: Option<UserId>, roles: &[&str], query: &str, variables: Value) -> Value {
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {}", self.token(user, roles)));
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response =
            self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
    }

    fn token(&self, user: UserId, roles: &[&str]) -> String {
        let now = self.clock.now().timestamp();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "test" })),
            part(json!({
                "sub": user, "sid": SessionId::from_uuid(SystemIds.uuid()), "roles": roles,
                "iss": "marquee", "aud": "marquee", "iat": now, "exp": now + 900,
                "jti": SystemIds.uuid().to_string(),
            }))
        );
        let signature = SigningKey::from_bytes(&TOKEN_SEED).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// Somebody whose token was verified.
pub fn identity(user_id: UserId) -> Identity {
    let session_id = SessionId::from_uuid(SystemIds.uuid());
    Identity { user_id, session_id, roles: vec![Role::Customer] }
}

fn verifier(app: &App) -> TokenVerifier {
    let key = SigningKey::from_bytes(&TOKEN_SEED).verifying_key();
    let keys = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test",
        "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    }] });
    let keys = serde_json::from_value(keys).unwrap();
    TokenVerifier::fixed(AuthConfig::default(), Arc::clone(&app.deps.clock), &keys)
}

/// Does a binding of a topic exchange match? (`*` stands for one word.)
fn wants(binding: &str, name: &str) -> bool {
    let (binding, name): (Vec<_>, Vec<_>) = (binding.split('.').collect(), name.split('.').collect());
    binding.len() == name.len() && binding.iter().zip(&name).all(|(b, n)| *b == "*" || b == n)
}

/// Waits until `probe` finds something.
pub async fn eventually<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Money in euros and cents.
pub fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

/// All different?
pub fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> usize {
    values.into_iter().collect::<BTreeSet<_>>().len()
}
