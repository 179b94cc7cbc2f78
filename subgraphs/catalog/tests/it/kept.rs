//! What is kept is seen to change: here at once, elsewhere soon, and after a while in any case.

use catalog::{CacheConfig, app::Kept};
use futures::future::join_all;
use platform::Shutdown;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::{
    schedule::{CANCEL, PRICES, input, manager, quiet, schedule},
    support::{Catalog, redis, shared_by, until},
};

/// The day of the show that [`input`] describes, in Amsterdam.
const DATE: &str = "2026-11-22";

/// A show, and how it is found.
struct Seen<'c> {
    catalog: &'c Catalog,
    show: Value,
}

impl Seen<'_> {
    async fn field(&self, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ show(id: $id) {{ {selection} }} }}");
        self.catalog.ask(&query, json!({ "id": self.show })).await["show"].take()
    }

    async fn price(&self) -> Value {
        self.field("priceFrom { amount }").await["priceFrom"]["amount"].take()
    }

    async fn language(&self) -> Value {
        self.field("language").await["language"].take()
    }

    /// Whether the lists have it: of its movie, of its theater, and of what is shown in its city.
    async fn listed(&self) -> [bool; 3] {
        let ids = self.field("movie { id } theater { id } city { id }").await;
        let query = "query($movie: ID!, $theater: ID!, $city: ID!, $date: Date!) {
            movie(id: $movie) { showtimes(cityId: $city, date: $date) { shows { id } } }
            theater(id: $theater) { shows(date: $date) { id } }
            movies(filter: { cityId: $city, nowShowing: true }) { totalCount nodes { id } } }";
        let variables = json!({
            "movie": ids["movie"]["id"], "theater": ids["theater"]["id"], "city": ids["city"]["id"], "date": DATE
        });
        let data = self.catalog.ask(query, variables).await;
        let has = |list: &Value, id: &Value| list.as_array().unwrap().iter().any(|node| node["id"] == *id);
        let showing = has(&data["movies"]["nodes"], &ids["movie"]["id"]);
        assert_eq!(data["movies"]["totalCount"], i32::from(showing));
        let times = data["movie"]["showtimes"].as_array().unwrap();
        [
            times.iter().any(|theater| has(&theater["shows"], &self.show)),
            has(&data["theater"]["shows"], &self.show),
            showing,
        ]
    }
}

#[tokio::test]
async fn a_change_is_seen_here_at_once_and_elsewhere_soon() {
    let catalog = quiet("kept_told").await;
    let shutdown = Shutdown::new();
    let [one, other] = [(); 2].map(|()| {
        let redis = redis("told", &shutdown);
        (catalog.beside(shared_by(&redis), &shutdown), redis)
    });
    for (_, redis) in [&one, &other] {
        until("Redis is there", async || redis.ping().await.is_ok() && redis.subscriber().is_connected())
            .await;
    }
    let (one, other) = (one.0, other.0);
    let input = input(&one).await;
    let first = schedule(&one, &input).await["show"]["id"].clone();
    let seen = |catalog| Seen { catalog, show: first.clone() };
    let (here, there) = (seen(&one), seen(&other));
    for seen in [&here, &there] {
        assert_eq!((seen.price().await, seen.listed().await), (json!("12.50"), [true; 3]));
    }

    let price = json!({ "input": { "showId": first, "basePrice": "10" } });
    one.ask_as(manager(), PRICES, price).await;
    assert_eq!(here.price().await, "10.00");
    until("the other has the new price", async || there.price().await == "10.00").await;

    let cancel = json!({ "input": { "showId": first } });
    one.ask_as(manager(), CANCEL, cancel).await;
    assert_eq!(
        (here.field("status").await["status"].take(), here.listed().await),
        (json!("CANCELLED"), [false; 3])
    );
    until("the other has it no more", async || {
        there.field("status").await["status"] == "CANCELLED" && there.listed().await == [false; 3]
    })
    .await;

    let again = schedule(&other, &input).await["show"]["id"].clone();
    let seen = |catalog| Seen { catalog, show: again.clone() };
    assert_eq!(seen(&other).listed().await, [true; 3]);
    until("the first has the new show", async || seen(&one).listed().await == [true; 3]).await;
}

#[tokio::test]
async fn after_a_seed_all_is_read_anew() {
    let catalog = Catalog::empty("kept_seed").await;
    let shutdown = Shutdown::new();
    let redis = redis("seed", &shutdown);
    let running = catalog.beside(shared_by(&redis), &shutdown);
    until("Redis is there", async || redis.ping().await.is_ok() && redis.subscriber().is_connected()).await;
    let cities = async || {
        let data = running.ask(
            "{ cities { id } city(slug: \"tokyo\") { id } search(text: \"casablanca\") { totalCount } }",
            json!({}),
        );
        let data = data.await;
        (
            data["cities"].as_array().unwrap().len(),
            data["city"].is_null(),
            data["search"]["totalCount"].clone(),
        )
    };
    assert_eq!(cities().await, (0, true, json!(0)));
    catalog.seed(catalog::Scale::Small).await;
    catalog::tell_all(&redis).await;
    until("the seed is seen", async || {
        let (cities, no_tokyo, hits) = cities().await;
        cities == 3 && !no_tokyo && hits.as_i64() > Some(0)
    })
    .await;
}

/// A show of a small catalog.
async fn any_show(catalog: &Catalog) -> Value {
    let data = catalog.ask("{ theaters { nodes { shows(date: \"2026-11-22\") { id } } } }", json!({})).await;
    data["theaters"]["nodes"][0]["shows"][0]["id"].clone()
}

/// Changes a show behind everybody's back.
async fn translate(catalog: &Catalog) {
    catalog.pg.execute_unprepared("UPDATE catalog.shows SET language = 'eo'").await.unwrap();
}

#[tokio::test]
async fn who_is_not_told_lags_for_the_greatest_age_at_most() {
    let catalog = Catalog::small("kept_age").await;
    let kept = Kept::alone(&CacheConfig { max_age_seconds: 3, ..CacheConfig::default() });
    let catalog = catalog.beside(kept, &Shutdown::new());
    let show = Seen { show: any_show(&catalog).await, catalog: &catalog };
    let before = show.language().await;
    translate(&catalog).await;
    assert_eq!(show.language().await, before);
    until("it is too old", async || show.language().await == "eo").await;
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_read_each_time() {
    let catalog = Catalog::small("kept_not").await;
    let kept = Kept::alone(&CacheConfig { enabled: false, ..CacheConfig::default() });
    let catalog = catalog.beside(kept, &Shutdown::new());
    let show = Seen { show: any_show(&catalog).await, catalog: &catalog };
    assert_ne!(show.language().await, "eo");
    translate(&catalog).await;
    assert_eq!(show.language().await, "eo");
    assert_eq!(any_show(&catalog).await, show.show);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_are_one_question() {
    let catalog = Catalog::small("kept_rush").await;
    let fresh = catalog.beside(Kept::alone(&CacheConfig::default()), &Shutdown::new());
    let show = Seen { show: any_show(&catalog).await, catalog: &fresh };
    let lock = catalog.pg.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE catalog.shows IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        catalog.number(sql).await
    };
    let rush = join_all((0..50).map(|_| show.language()));
    let watch = async {
        until("somebody waits for the database", async || waiting().await > 0).await;
        for _ in 0..20 {
            assert_eq!(waiting().await, 1);
        }
        lock.commit().await.unwrap();
    };
    let (languages, ()) = futures::join!(rush, watch);
    assert_eq!(languages, vec![languages[0].clone(); 50]);
}
