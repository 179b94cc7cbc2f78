//! Answers that hold only as long as their subgraph says so are kept, too, and are never older than the
//! question.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst},
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use gateway::Outside;
use platform::cache::validator::{Validator, Validators};
use serde_json::{Value, json};

use crate::harness::{Gateway, answer, outside, until, within};

/// Of catalog and booking.
const SHOWS: &str = "{ shows { id title available } }";
/// What the catalog says.
const PUBLIC: &str = "public, max-age=60";

/// Who knows the seats that booking has.
#[derive(Debug, Default)]
struct Seats {
    version: AtomicI32,
    away: AtomicBool,
    asked: AtomicUsize,
}

impl Seats {
    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

#[derive(Debug)]
struct Known(Arc<Seats>, Vec<i32>);

#[derive(Debug)]
struct Reader(Arc<Seats>);

impl Validators for Reader {
    fn read(&self, validators: &[String]) -> Option<Box<dyn Validator>> {
        let version = |text: &String| text.strip_prefix("seats:")?.parse().ok();
        let versions = validators.iter().map(version).collect::<Option<_>>()?;
        Some(Box::new(Known(Arc::clone(&self.0), versions)))
    }
}

impl Validator for Known {
    fn holds(&self) -> BoxFuture<'_, bool> {
        self.0.asked.fetch_add(1, SeqCst);
        let now = self.0.version.load(SeqCst);
        let holds = self.1.iter().all(|version| *version == now) && !self.0.away.load(SeqCst);
        async move {
            tokio::task::yield_now().await;
            holds
        }
        .boxed()
    }
}

/// A gateway that can ask about seats, which are in version 1.
struct House {
    gateway: Gateway,
    seats: Arc<Seats>,
}

impl House {
    async fn open() -> Self {
        Self::with(true).await
    }

    async fn with(asks: bool) -> Self {
        let seats = Arc::new(Seats::default());
        let reader = Arc::new(Reader(Arc::clone(&seats))) as Arc<dyn Validators>;
        let outside = Outside { validators: Some(reader).filter(|_| asks), ..outside() };
        let gateway = Gateway::outside(outside, |config| {
            config.auth.enabled = false;
            config.rate_limits.enabled = false;
        })
        .await;
        gateway.catalog.cache_control(PUBLIC);
        gateway.booking.extensions.cache_control("no-store");
        let house = Self { gateway, seats };
        house.change(1);
        house
    }

    /// Somebody holds a seat.
    fn change(&self, version: i32) {
        self.gateway.booking.seats.store(version, SeqCst);
        self.seats.version.store(version, SeqCst);
    }

    /// How many seats are available, for somebody with this token.
    async fn look(&self, token: Option<&str>) -> Value {
        let request = self.gateway.post(SHOWS);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        answer(request).await["data"]["shows"][0]["available"].take()
    }

    /// How often booking was asked.
    fn fetched(&self) -> usize {
        self.gateway.booking.extensions.answers()
    }
}

#[tokio::test]
async fn seats_are_fetched_when_they_have_changed_and_asked_about_each_time() {
    let house = House::open().await;
    for version in 1..=4 {
        house.change(version);
        let asked = house.seats.asked();
        for token in [None, Some("t1"), Some("t2"), None] {
            assert_eq!(house.look(token).await, version);
        }
        assert_eq!(house.fetched(), usize::try_from(version).unwrap());
        // The first of them finds out that the last answer does not hold.
        assert_eq!(house.seats.asked() - asked, if version == 1 { 3 } else { 4 });
    }
    let mut socket = house.gateway.socket(json!({})).await;
    for version in [4, 5] {
        house.change(version);
        let said = socket.query("1", SHOWS).await;
        assert_eq!(said["data"]["shows"][0]["available"], version);
    }
    assert_eq!(house.fetched(), 5);
}

#[tokio::test]
async fn nobody_else_is_told_to_keep_them() {
    let house = House::open().await;
    for _ in 0..3 {
        for token in [None, Some("t1")] {
            let request = house.gateway.post(SHOWS);
            let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
            let response = within(request.send()).await.unwrap();
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(!response.headers().contains_key("x-validators"));
        }
    }
    assert_eq!(house.fetched(), 1);
}

#[tokio::test]
async fn each_question_has_its_own() {
    let house = House::open().await;
    let narrow = "{ shows { available } }";
    for version in [1, 2] {
        house.change(version);
        for _ in 0..2 {
            assert_eq!(house.look(None).await, version);
            let said = house.gateway.query(narrow).await;
            assert_eq!(said, json!({ "data": { "shows": [{ "available": version }] } }));
        }
    }
    assert_eq!(house.fetched(), 4);
}

#[tokio::test]
async fn while_nobody_can_tell_they_are_fetched() {
    let house = House::open().await;
    house.look(None).await;
    house.seats.away.store(true, SeqCst);
    house.gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    house.gateway.booking.seats.store(7, SeqCst);
    for n in 2..=4 {
        let said = house.gateway.query(SHOWS).await;
        assert_eq!(said["data"]["shows"][0]["available"], 7);
        assert_eq!(said["extensions"], json!({ "degraded": ["seats"] }));
        assert_eq!(house.fetched(), n);
    }
    // And kept again when somebody can.
    house.gateway.booking.extensions.set(json!({}));
    house.seats.away.store(false, SeqCst);
    house.change(8);
    for _ in 0..6 {
        assert_eq!(house.look(None).await, 8);
    }
    assert!(house.fetched() <= 6, "{}", house.fetched());
}

#[tokio::test]
async fn without_anybody_to_ask_they_are_not_kept() {
    let house = House::with(false).await;
    for n in 1..=4 {
        assert_eq!(house.look(Some("t1").filter(|_| n % 2 == 0)).await, 1);
        assert_eq!(house.fetched(), n);
    }
}

#[tokio::test]
async fn what_nobody_can_read_is_not_kept() {
    let house = House::open().await;
    house.gateway.catalog.cache_control("no-store");
    for n in 1..=2 {
        assert_eq!(house.look(None).await, 1);
        assert_eq!(house.fetched(), n, "the rest of the answer is not for all");
    }
    let house = House::open().await;
    house.gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    for n in 1..=2 {
        assert_eq!(house.look(None).await, 1);
        assert_eq!(house.fetched(), n);
    }
}

/// Many ask at once. Those who came before the change may have what was so before it.
#[tokio::test]
async fn who_waits_for_somebody_else_s_answer_gets_none_of_before() {
    let house = House::open().await;
    let ask = || tokio::spawn(answer(house.gateway.post("{ slow }")));
    let begun = || house.gateway.booking.slow_begun();
    let none = json!({ "data": { "slow": null } });

    // Nothing changes: one is enough.
    let first = ask();
    until(|| begun() == 1).await;
    let others: Vec<_> = (0..5).map(|_| ask()).collect();
    house.gateway.booking.slow_may_end.add_permits(1);
    for asked in others.into_iter().chain([first]) {
        assert_eq!(asked.await.unwrap(), none);
    }
    assert_eq!(begun(), 1);

    // It changes while it is fetched: who came first has what was asked for them, and one more is fetched.
    house.change(2);
    let first = ask();
    until(|| begun() == 2).await;
    house.change(3);
    let stale = house.seats.asked();
    let others: Vec<_> = (0..5).map(|_| ask()).collect();
    house.gateway.booking.slow_may_end.add_permits(1);
    assert_eq!(first.await.unwrap(), none);
    until(|| begun() == 3).await;
    house.gateway.booking.slow_may_end.add_permits(1);
    for asked in others {
        assert_eq!(asked.await.unwrap(), none);
    }
    assert_eq!(begun(), 3);
    assert!(house.seats.asked() > stale);
}

/// Whoever asks after a change has been made never sees what was before, however many ask.
#[tokio::test]
async fn in_a_crowd_nobody_sees_the_past() {
    let house = House::open().await;
    let readers = (0..16).map(async |n| {
        let token = format!("t{n}");
        for _ in 0..40 {
            let before = house.seats.version.load(SeqCst);
            let said = house.look(Some(token.as_str()).filter(|_| n % 3 == 0)).await;
            let after = house.gateway.booking.seats.load(SeqCst);
            let said = i32::try_from(said.as_i64().unwrap()).unwrap();
            assert!((before..=after).contains(&said), "{before} {said} {after}");
            if n == 0 {
                house.change(said + 1);
            }
        }
    });
    within(join_all(readers)).await;
    assert_eq!(house.seats.version.load(SeqCst), 41);
}

#[tokio::test]
async fn nobody_fetches_them_for_nobody() {
    let house = House::open().await;
    house.gateway.catalog.cache_control("public, max-age=1");
    // Often, and until it has ended several times.
    within(async {
        while house.gateway.catalog.answers() < 3 {
            house.look(None).await;
        }
    })
    .await;
    let warmed = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("gateway_answers_warmed_total "));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
    };
    let text = within(house.gateway.http.get(house.gateway.url("/metrics")).send()).await.unwrap();
    assert_eq!(warmed(&text.text().await.unwrap()), 0);
}
