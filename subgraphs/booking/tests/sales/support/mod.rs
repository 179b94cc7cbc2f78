//! A subgraph with a database, a Redis prefix, a provider and a clock of its own.

mod audit;
mod database;
mod events;
mod http;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use ::events::show::{KindPrice, ShowScheduled, ShowSnapshot};
use axum::Router;
use booking::Config;
use booking::app::App;
use booking::app::cancel::{CancelError, CancelRequest, Cancelled};
use booking::app::checkout::{CheckedOut, CheckoutError, CheckoutRequest, PaymentState};
use booking::app::seats::Target;
use booking::config::{HoldsConfig, PaymentsConfig};
use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::{Payment, PaymentStatus, Refund};
use booking::store;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use graphql_kit::{Identity, Role};
use kernel::{
    BookingId, Clock as _, Currency, HoldId, IdSource as _, Layout, ManualClock, Money, MovieId, ScreenId,
    SeatKind, SessionId, ShowId, SystemClock, SystemIds, TheaterId, UserId,
};
use platform::pg::PgConfig;
use platform::rabbit::RabbitConfig;
use platform::redis::RedisConfig;
use platform::{Deps, DepsConfig, Shutdown};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement, TransactionTrait as _};
use serde_json::json;

use crate::provider::{Provider, WEBHOOK_SECRET};
pub use audit::told;
use database::{database, service};
use http::verifier;

/// Base 64 of 32 bytes.
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub provider: Provider,
    pub show: ShowSnapshot,
    router: Router,
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

    /// One in which nobody asks whether a claim was paid before it ends: payments come late.
    pub async fn whose_claims_just_end() -> Self {
        Self::with(|config| config.claim_limit_seconds = config.claim_ttl_seconds).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let world = Self::over(database().await, adjust).await;
        eventually("Redis answers", async || world.app.deps.redis.ping().await.ok()).await;
        world.database_follows().await;
        world.tell(&ShowScheduled(world.show.clone())).await.unwrap();
        world
    }

    /// Lets time go on, for this process and for the database.
    pub async fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.database_follows().await;
    }

    /// Lets so many minutes pass, and settles the claims whose time is over then.
    pub async fn claims_end(&self, minutes: i64) {
        self.advance(TimeDelta::minutes(minutes)).await;
        self.app.claims_expire_all().await.unwrap();
    }

    /// Makes it for the database what it is for this process; both stand still in between.
    async fn database_follows(&self) {
        self.execute(&format!(
            "create or replace function booking.now() returns timestamptz language sql stable
                 as $$ select timestamptz '{}' $$",
            self.clock.now().to_rfc3339()
        ))
        .await;
    }

    /// One whose PostgreSQL is away.
    pub async fn without_pg() -> Self {
        let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
        Self::over(PgConfig { url: nowhere.into(), acquire_timeout_ms: 200, ..PgConfig::default() }, |_| {})
            .await
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
    pub async fn before_show(&self, left: TimeDelta) {
        self.clock.set(self.show.starts_at - left);
        self.database_follows().await;
    }

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
        self.app.seats.apply(booking.id, 1_000, &[], Target::Freed, None).await.unwrap();
    }

    /// Remembers what Redis knows of the show now.
    pub async fn save_redis(&self) {
        self.copy_in_redis("", ":saved").await;
    }

    /// Redis goes back to what was saved: what it acknowledged since then is lost.
    pub async fn set_redis_back(&self) {
        self.copy_in_redis(":saved", "").await;
    }

    async fn copy_in_redis(&self, from: &str, to: &str) {
        let script = platform::Script::new(
            "for i = 1, #KEYS, 2 do redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') end return {}",
        );
        let redis = &self.app.deps.redis;
        let tag = redis.key(&format!("{{show:{}}}", self.show_id()));
        let keys = ["ledger", "states", "deadlines", "plan"];
        let keys = keys.iter().flat_map(|key| [format!("{tag}:{key}{from}"), format!("{tag}:{key}{to}")]);
        redis.eval(&script, keys.collect(), Vec::new()).await.unwrap();
    }

    /// Redis comes back empty.
    pub async fn lose_redis(&self) {
        let redis = &self.app.deps.redis;
        let script = platform::Script::new(
            "local keys = redis.call('keys', ARGV[1] .. '*') for _, key in ipairs(keys) do redis.call('del', key) end return #keys",
        );
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
        let (who, idempotency_key) = (identity(user), key.to_owned());
        let request = CheckoutRequest { who, hold, idempotency_key, accept_equivalent: false };
        self.app.checkout(&request).await
    }

    /// A booking that waits for its payment, of somebody to whom equivalent seats will do.
    pub async fn pending_anywhere(&self, user: UserId, seats: &[u16]) -> (Booking, Payment) {
        let (who, hold) = (identity(user), self.hold(user, seats).await);
        let request =
            CheckoutRequest { who, hold, idempotency_key: hold.to_string(), accept_equivalent: true };
        let CheckedOut { booking, payment } = self.app.checkout(&request).await.unwrap();
        let PaymentState::Ready(payment) = payment else { panic!("no payment") };
        (booking, *payment)
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

    pub async fn cancel(
        &self,
        user: UserId,
        booking: BookingId,
        key: &str,
    ) -> Result<Cancelled, CancelError> {
        let who = identity(user);
        self.app.booking_cancel(&CancelRequest { who, booking, idempotency_key: key.to_owned() }).await
    }

    /// Does `work` as far as it comes without writing to `table`, then `meanwhile`, then the rest.
    pub async fn interrupted<T>(
        &self,
        table: &str,
        work: impl Future<Output = T>,
        meanwhile: impl AsyncFnOnce(),
    ) -> T {
        self.interrupted_at(&format!("lock table {table} in exclusive mode"), work, meanwhile).await
    }

    /// The same where `work` needs what this statement locks.
    pub async fn interrupted_at<T>(
        &self,
        statement: &str,
        work: impl Future<Output = T>,
        meanwhile: impl AsyncFnOnce(),
    ) -> T {
        let lock = self.app.deps.pg.begin().await.unwrap();
        lock.execute_unprepared(statement).await.unwrap();
        let waiting = "select 1 from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock'";
        let interruption = async {
            eventually("the work waits", async || self.rows(waiting).await.pop()).await;
            meanwhile().await;
            lock.commit().await.unwrap();
        };
        futures::join!(work, interruption).0
    }

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

    /// Where its first payment stands.
    pub async fn payment_status(&self, id: BookingId) -> PaymentStatus {
        store::payments::payment_list(&self.app.deps.pg, &[id]).await.unwrap()[0].status
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
}

/// Somebody whose token was verified.
pub fn identity(user_id: UserId) -> Identity {
    let session_id = SessionId::from_uuid(SystemIds.uuid());
    Identity::person(user_id, session_id, vec![Role::Customer])
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
