//! The use cases over PostgreSQL and Redis of the test's own.

use std::sync::Arc;

use booking::{
    Config,
    app::{
        App,
        seats::{Hold, HoldRefusal, Seats},
    },
    store::shows::show_upsert,
};
use chrono::TimeDelta;
use events::show::{KindPrice, ShowSnapshot};
use graphql_kit::{Identity, Role};
use kernel::{
    BookingId, Clock, Currency, IdSource, ManualClock, MovieId, ScreenId, SeatKind, SessionId, ShowId,
    SystemClock, SystemIds, TheaterId, seating::screen_uuid,
};
use platform::{
    Deps, DepsConfig, Script, Shutdown,
    pg::{self, PgConfig},
    redis::RedisConfig,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{
    proxy::Proxy,
    support::{connected, eventually, person, redis_config, service, uuid},
};

/// Base 64 of 32 bytes.
const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub struct House {
    pub app: Arc<App>,
    pub deps_config: DepsConfig,
    pub clock: Arc<ManualClock>,
    pub show: ShowSnapshot,
    pub shutdown: Shutdown,
}

/// A show in two days.
pub fn show(layout: &str) -> ShowSnapshot {
    let starts_at = SystemClock.now() + TimeDelta::days(2);
    ShowSnapshot {
        show_id: ShowId::from_uuid(uuid()),
        revision: 1,
        movie_id: MovieId::from_uuid(uuid()),
        title: "Sherlock Jr.".into(),
        theater_id: TheaterId::from_uuid(uuid()),
        theater_name: "Roxy".into(),
        screen_id: ScreenId::from_uuid(screen_uuid(uuid())),
        screen_name: "Screen 1".into(),
        starts_at,
        ends_at: starts_at + TimeDelta::hours(2),
        time_zone: "Europe/Berlin".into(),
        currency: Currency::EUR,
        layout: layout.parse().unwrap(),
        blocked: Vec::new(),
        prices: [(SeatKind::Regular, 1_000), (SeatKind::Vip, 2_000)]
            .map(|(kind, minor)| KindPrice { kind, minor })
            .to_vec(),
    }
}

async fn database() -> PgConfig {
    let base = service("MARQUEE_TEST_PG_URL");
    let server = pg::connect(&PgConfig { url: base.clone().into(), ..PgConfig::default() }).await.unwrap();
    let name = format!("seats_{}", uuid().simple());
    server.execute_unprepared(&format!("create database {name}")).await.expect("PostgreSQL of the tests");
    let start = base.find("://").unwrap() + 3;
    let end = base[start..].find('/').map_or(base.len(), |path| start + path);
    let url = format!("{}/{name}", &base[..end]);
    let config = PgConfig { url: url.into(), max_connections: 8, ..PgConfig::default() };
    migrations::apply(&pg::connect(&config).await.unwrap()).await.unwrap();
    config
}

impl House {
    /// A house with one show.
    pub async fn open(layout: &str) -> Self {
        Self::with(layout, |_| {}).await
    }

    pub async fn with(layout: &str, adjust: impl FnOnce(&mut Config)) -> Self {
        Self::over(redis_config(), layout, adjust).await
    }

    /// One whose wire to Redis can fail.
    pub async fn wired(layout: &str, adjust: impl FnOnce(&mut Config)) -> (Self, Proxy) {
        let direct = redis_config();
        let proxy = Proxy::new(&service("MARQUEE_TEST_REDIS_URL")).await;
        let redis = RedisConfig { url: proxy.url.clone().into(), command_timeout_ms: 1_000, ..direct };
        (Self::over(redis, layout, adjust).await, proxy)
    }

    pub async fn over(redis: RedisConfig, layout: &str, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { ticket_signing_key: SEED.into(), ..Config::default() };
        // Nobody listens there: bookings wait for their payment.
        config.payments.api_base = "http://127.0.0.1:1".into();
        config.payments.max_attempts = 1;
        adjust(&mut config);
        let deps_config = DepsConfig { pg: database().await, redis, ..DepsConfig::default() };
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shutdown = Shutdown::new();
        let app = app(config, &deps_config, &clock, &shutdown).await;
        let house = Self { app, deps_config, clock, show: show(layout), shutdown };
        house.publish(&house.show).await;
        house
    }

    /// Lets time go on for the database, by so many seconds.
    pub async fn advance_database(&self, seconds: u32) {
        self.execute(&format!(
            "create or replace function booking.now() returns timestamptz language sql stable
                 as $$ select statement_timestamp() + interval '{seconds} seconds' $$"
        ))
        .await;
    }

    /// Another process of the same installation.
    pub async fn another(&self) -> Arc<App> {
        self.another_with(&self.deps_config).await
    }

    /// The same with other dependencies.
    pub async fn another_with(&self, deps_config: &DepsConfig) -> Arc<App> {
        app(self.app.config.clone(), deps_config, &self.clock, &self.shutdown).await
    }

    /// Another process, for which Redis is there whatever happens to the wire.
    pub async fn unwired(&self) -> Arc<App> {
        let mut direct = self.deps_config.clone();
        direct.redis.url = service("MARQUEE_TEST_REDIS_URL").into();
        self.another_with(&direct).await
    }

    /// Waits until this process knows whether Redis is away.
    pub async fn knows(&self, away: bool) {
        eventually("the breaker turns", async || (self.app.deps.redis.is_away() == away).then_some(())).await;
    }

    /// Booking hears of a show, or of a change of it.
    pub async fn publish(&self, show: &ShowSnapshot) {
        show_upsert(&self.app.deps.pg, show).await.unwrap();
        self.app.shows.forget(show.show_id).await;
    }

    pub fn seats(&self) -> &Seats {
        &self.app.seats
    }

    pub fn id(&self) -> ShowId {
        self.show.show_id
    }

    pub async fn states(&self) -> String {
        states(&self.app, self.id()).await
    }

    /// Holds seats of the show.
    pub async fn hold(&self, who: &Identity, seats: &[u16], key: &str) -> Result<Hold, HoldRefusal> {
        self.hold_in(self.id(), who, seats, key).await
    }

    pub async fn hold_in(
        &self,
        show: ShowId,
        who: &Identity,
        seats: &[u16],
        key: &str,
    ) -> Result<Hold, HoldRefusal> {
        let show = self.seats().show_to_hold(show).await?;
        self.seats().hold(who, &show, seats, key).await
    }

    /// Redis loses what it knows of the show.
    pub async fn lose_seats(&self) {
        self.lose(&format!("{{show:{}}}", self.id())).await;
    }

    /// Redis loses what it knows of somebody.
    pub async fn lose_room(&self, who: &Identity) {
        self.lose(&format!("{{user:{}}}", who.user_id)).await;
    }

    async fn lose(&self, tag: &str) {
        const LOSE: &str = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
        let redis = &self.app.deps.redis;
        let [any, all] = ["any", "*"].map(|name| redis.key(&format!("{tag}:{name}")));
        redis.eval(&Script::new(LOSE), vec![any], vec![all.into()]).await.unwrap();
    }

    pub async fn execute(&self, sql: &str) {
        self.app.deps.pg.execute_unprepared(sql).await.unwrap();
    }

    /// What a checkout commits: a new booking with these seats, in version 1.
    pub async fn commit_booking(&self, seats: &[u16], sold: bool) -> BookingId {
        let booking = BookingId::new(self.id(), SystemIds.local());
        let (show, no) = (self.id().uuid(), booking.local());
        let status = if sold { "CONFIRMED" } else { "PENDING_PAYMENT" };
        let mut sql = format!(
            "begin;
             insert into booking.bookings
                    (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
                     subtotal_minor, fee_minor, tax_minor, total_minor, expires_at,
                     created_at, updated_at)
             values ('{show}', {no}, '{user}', '{no}', '{status}', 1, {no}, 'EUR',
                     0, 0, 0, 0, now() + interval '1 hour', now(), now());",
            user = person().uuid(),
        );
        for seat in seats {
            sql += &format!(
                "insert into booking.booking_seats values ('{show}', {no}, {seat}, 'A1', 'R', 0, 0, 0);
                 insert into booking.seat_allocations values ('{show}', {seat}, {no}, {sold});"
            );
        }
        self.execute(&(sql + "commit;")).await;
        booking
    }

    /// What a cancellation commits: the booking has no seats, in version 2.
    pub async fn commit_end(&self, booking: BookingId) {
        let (show, no) = (self.id().uuid(), booking.local());
        self.execute(&format!(
            "begin;
             delete from booking.seat_allocations where show_id = '{show}' and booking_no = {no};
             update booking.bookings set status = 'CANCELLED', version = 2
              where show_id = '{show}' and booking_no = {no};
             commit;"
        ))
        .await;
    }

    /// Seats of durable holds, ascending.
    pub async fn held_seats(&self) -> Vec<u16> {
        let sql = "select seat_no from booking.seat_allocations where hold_no is not null order by seat_no";
        let rows =
            self.app.deps.pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        rows.iter().map(|row| row.try_get::<i16>("", "seat_no").unwrap() as u16).collect()
    }

    /// How many seats durable holds have.
    pub async fn held_rows(&self) -> usize {
        self.held_seats().await.len()
    }

    /// Deadlocks that PostgreSQL had to break in this database.
    pub async fn deadlocks(&self) -> i64 {
        let sql = "select deadlocks from pg_stat_database where datname = current_database()";
        let rows = self.app.deps.pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await;
        rows.unwrap()[0].try_get("", "deadlocks").unwrap()
    }

    /// What happened to durable holds: seats, from, to, by whom, and the booking it led to.
    pub async fn audit(&self) -> Vec<(Vec<u16>, Option<String>, String, String, Option<i64>)> {
        let sql = "select seats, from_state, to_state, actor_kind || ' ' || actor as by, booking_no
                     from booking.audit where entity = 'HOLD' order by audit_no";
        let rows =
            self.app.deps.pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        rows.iter()
            .map(|row| {
                let seats: Vec<i16> = row.try_get("", "seats").unwrap();
                (
                    seats.into_iter().map(|seat| seat as u16).collect(),
                    row.try_get("", "from_state").unwrap(),
                    row.try_get("", "to_state").unwrap(),
                    row.try_get("", "by").unwrap(),
                    row.try_get("", "booking_no").unwrap(),
                )
            })
            .collect()
    }

    /// The same house as this process sees it.
    pub fn over_unwired(&self, app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            deps_config: self.deps_config.clone(),
            clock: Arc::clone(&self.clock),
            show: self.show.clone(),
            shutdown: self.shutdown.clone(),
        }
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
        let script = Script::new(
            "for i = 1, #KEYS, 2 do redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') end return {}",
        );
        let redis = &self.app.deps.redis;
        let tag = redis.key(&format!("{{show:{}}}", self.id()));
        let keys = ["ledger", "states", "deadlines", "plan"];
        let keys = keys.iter().flat_map(|key| [format!("{tag}:{key}{from}"), format!("{tag}:{key}{to}")]);
        redis.eval(&script, keys.collect(), Vec::new()).await.unwrap();
    }

    /// Redis comes back empty.
    pub async fn lose_redis(&self) {
        let script = Script::new(
            "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end return {}",
        );
        let redis = &self.app.deps.redis;
        redis.eval(&script, vec![redis.key("any")], vec![redis.key("").into()]).await.unwrap();
    }
}

async fn app(config: Config, deps: &DepsConfig, clock: &Arc<ManualClock>, shutdown: &Shutdown) -> Arc<App> {
    let deps = Deps::connect(deps, clock.clone(), Arc::new(SystemIds), shutdown).await.unwrap();
    connected(&deps.redis).await;
    let app = App::new(config, deps).unwrap();
    app.seats.listen(shutdown);
    app
}

pub async fn states(app: &App, show: ShowId) -> String {
    String::from_utf8(app.seats.snapshot(show).await.unwrap().states.to_vec()).unwrap()
}

/// Somebody who is logged in.
pub fn somebody() -> Identity {
    Identity::person(person(), SessionId::from_uuid(uuid()), vec![Role::Customer])
}
