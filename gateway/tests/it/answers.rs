//! Answers that everybody may share are kept: who gets them, until when, and who never does.

use std::{sync::Arc, time::Instant};

use futures::future::join_all;
use gateway::{Config, Outside};
use kernel::{IdSource, SystemClock, SystemIds};
use platform::{Redis, Shutdown, redis::RedisConfig};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    guarded::{Guarded, code},
    harness::{Gateway, answer, outside, until, within},
};

const PUBLIC: &str = "public, max-age=60";
/// Of catalog and booking.
const SHOWS: &str = "{ shows { id title available } }";

/// Both of whose subgraphs say that everybody may keep all they say for a minute.
async fn open() -> Gateway {
    open_with(|_| {}).await
}

async fn open_with(change: impl FnOnce(&mut Config)) -> Gateway {
    let gateway = Gateway::with(change).await;
    gateway.catalog.cache_control(PUBLIC);
    gateway.booking.extensions.cache_control(PUBLIC);
    gateway
}

/// How many answers the subgraphs have given.
fn fetched(gateway: &Gateway) -> (usize, usize) {
    (gateway.catalog.answers(), gateway.booking.extensions.answers())
}

/// What `Cache-Control` of the answer to a request says.
async fn kept(request: RequestBuilder) -> String {
    let response = within(request.send()).await.unwrap();
    response.headers()["cache-control"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_all_may_share_is_fetched_once() {
    let gateway = open().await;
    let first = gateway.query(SHOWS).await;
    assert_eq!(first["data"]["shows"][0], json!({ "id": "1", "title": "Show 1", "available": 42 }));
    for _ in 0..10 {
        assert_eq!(gateway.query(SHOWS).await, first);
    }
    assert_eq!(fetched(&gateway), (1, 1));

    // By every transport, for every caller, and in every type of answer.
    let url = gateway.url("/graphql");
    assert_eq!(answer(gateway.http.get(&url).query(&[("query", SHOWS)])).await, first);
    assert_eq!(answer(gateway.post(SHOWS).bearer_auth("t1")).await, first);
    let mut socket = gateway.socket(json!({ "authorization": "Bearer t2" })).await;
    assert_eq!(socket.query("1", SHOWS).await, first);
    let newer = "application/graphql-response+json, application/json;q=0.9";
    let response = within(gateway.post(SHOWS).header("accept", newer).send()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/graphql-response+json");
    assert_eq!(response.json::<Value>().await.unwrap(), first);
    assert_eq!(fetched(&gateway), (1, 1));
}

#[tokio::test]
async fn another_question_has_another_answer() {
    let gateway = open().await;
    let ask = |id: &str| {
        let query = "query A($id: ID!) { show(id: $id) { title } } query B { shows { id } }";
        let body = json!({ "query": query, "operationName": "A", "variables": { "id": id } });
        answer(gateway.http.post(gateway.url("/graphql")).json(&body))
    };
    for id in ["1", "2", "1", "2"] {
        assert_eq!(ask(id).await["data"]["show"]["title"], format!("Show {id}"));
    }
    assert_eq!(fetched(&gateway), (2, 0));
    for language in ["de", "fr", "de", "fr"] {
        let request = gateway.post("{ locale }").header("accept-language", language);
        assert_eq!(answer(request).await["data"]["locale"], language);
    }
    assert_eq!(fetched(&gateway), (2, 2));
}

#[tokio::test]
async fn an_answer_ends_when_the_first_of_its_parts_does() {
    let gateway = open().await;
    gateway.catalog.cache_control("public, max-age=1");
    let begun = Instant::now();
    gateway.query(SHOWS).await;
    within(async {
        while gateway.catalog.answers() == 1 {
            gateway.query(SHOWS).await;
        }
    })
    .await;
    // Whoever asks often may get the next one a little earlier.
    assert!(begun.elapsed().as_millis() >= 700, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn http_is_told_what_may_be_kept() {
    let gateway = open().await;
    let response = within(gateway.post(SHOWS).send()).await.unwrap();
    let said = response.headers()["cache-control"].to_str().unwrap();
    let age: u64 = said.strip_prefix("public, max-age=").unwrap().parse().unwrap();
    assert!((50..=60).contains(&age), "{said}");
    let vary = response.headers()["vary"].to_str().unwrap().to_ascii_lowercase();
    for name in ["accept", "accept-encoding", "accept-language", "origin"] {
        assert!(vary.split(", ").any(|told| told == name), "{vary}");
    }
    gateway.booking.slow_may_end.add_permits(2);
    for operation in ["mutation { slowly }", "{ refused }", "{ nope }", "{ broken shows { id } }"] {
        assert_eq!(kept(gateway.post(operation)).await, "no-store", "{operation}");
    }
    // It was asked with a token, and may have more in it than others may see.
    assert_eq!(kept(gateway.post("{ whoami }").bearer_auth("t1")).await, "no-store");
}

#[tokio::test]
async fn browsers_get_what_was_compressed_once() {
    let gateway = open().await;
    let pages: String =
        (0..20).map(|n| format!(" a_rather_long_name_for_a_page_{n}: shows {{ id title }}")).collect();
    let page = format!("{{{pages} }}");
    let whole = gateway.query(&page).await.to_string().len();
    let ask = async |accepted: &str| {
        let request = gateway.post(&page).header("accept-encoding", accepted);
        let response = within(request.send()).await.unwrap();
        let encoding =
            response.headers().get("content-encoding").map(|kind| kind.to_str().unwrap().to_owned());
        let vary = response.headers()["vary"].to_str().unwrap().to_ascii_lowercase();
        assert!(vary.contains("accept-encoding"), "{vary}");
        (encoding, within(response.bytes()).await.unwrap())
    };
    let (encoding, packed) = ask("gzip, deflate, br, zstd").await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < whole / 2, "{} of {whole}", packed.len());
    assert_eq!(ask("gzip").await, (encoding, packed));
    // Others as ever.
    assert_eq!(ask("br, gzip").await.0.as_deref(), Some("br"));
    assert_eq!(ask("identity").await.1.len(), whole);
    assert_eq!(gateway.catalog.answers(), 1);
}

#[tokio::test]
async fn what_is_not_clearly_for_all_is_never_kept() {
    for said in [
        "no-store",
        "private, max-age=60",
        "public",
        "max-age=60",
        "public, max-age=0",
        "public, max-age=60, no-cache",
        "nonsense",
    ] {
        let gateway = open().await;
        gateway.booking.extensions.cache_control(said);
        for _ in 0..2 {
            assert_eq!(kept(gateway.post(SHOWS)).await, "no-store", "{said}");
        }
        assert_eq!(fetched(&gateway), (2, 2), "{said}");
    }
    // Nor when one of them says nothing.
    let gateway = Gateway::start().await;
    gateway.catalog.cache_control(PUBLIC);
    for _ in 0..2 {
        assert_eq!(kept(gateway.post(SHOWS)).await, "no-store");
    }
    assert_eq!(fetched(&gateway), (2, 2));
}

#[tokio::test]
async fn errors_and_what_is_degraded_are_never_kept() {
    let gateway = open().await;
    for operation in ["{ refused }", "{ whoami refused }", "{ broken shows { id } }", "{ shows { id } nope }"]
    {
        let before = gateway.booking.extensions.answers();
        let answers = [gateway.query(operation).await, gateway.query(operation).await];
        assert!(answers.iter().all(|answer| answer["errors"].is_array()), "{answers:?}");
        if !operation.contains("nope") {
            assert_eq!(gateway.booking.extensions.answers() - before, 2, "{operation}");
        }
    }
    let gateway = open().await;
    gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    for _ in 0..2 {
        assert_eq!(gateway.query(SHOWS).await["extensions"], json!({ "degraded": ["seats"] }));
    }
    assert_eq!(fetched(&gateway), (2, 2));
    // And are again when all is well.
    gateway.booking.extensions.set(json!({}));
    for _ in 0..4 {
        assert_eq!(gateway.query(SHOWS).await["extensions"], Value::Null);
    }
    assert!(fetched(&gateway).1 <= 4, "{:?}", fetched(&gateway));
}

#[tokio::test]
async fn mutations_are_executed_each_time() {
    let gateway = open().await;
    gateway.booking.slow_may_end.add_permits(3);
    for n in 1..=3 {
        gateway.query("mutation { slowly }").await;
        assert_eq!(gateway.booking.slow_begun(), n);
    }
}

/// Booking says that everybody may have what it says to one of them. It is wrong, and nobody sees what was
/// said to another.
#[tokio::test]
async fn no_token_leaks_even_if_a_subgraph_is_wrong() {
    let gateway = open().await;
    let whoami = async |token: Option<&str>| {
        let request = gateway.post("{ whoami }");
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        answer(request).await["data"]["whoami"].take()
    };
    for n in 0..5 {
        for token in ["t1", "t2"] {
            let said = whoami(Some(token)).await;
            assert!(said.is_null() || said == format!("Bearer {token}"), "{n}: {said} for {token}");
        }
        assert_eq!(whoami(None).await, Value::Null);
    }
    let mut socket = gateway.socket(json!({ "authorization": "Bearer t3" })).await;
    let said = socket.query("1", "{ whoami }").await["data"]["whoami"].take();
    assert!(said.is_null() || said == "Bearer t3", "{said}");
}

#[tokio::test]
async fn what_is_ones_own_beside_what_is_not_is_for_oneself() {
    let gateway = open().await;
    gateway.booking.extensions.cache_control("no-store");
    let query = "{ whoami shows { title } }";
    // The page alone is kept; with something personal beside it, it is not.
    gateway.query("{ shows { title } }").await;
    for _ in 0..3 {
        for token in ["t1", "t2"] {
            let said = answer(gateway.post(query).bearer_auth(token)).await;
            assert_eq!(said["data"]["whoami"], format!("Bearer {token}"));
            assert_eq!(said["data"]["shows"][0]["title"], "Show 1");
        }
        assert_eq!(gateway.query(query).await["data"]["whoami"], Value::Null);
    }
    let before = gateway.catalog.answers();
    gateway.query("{ shows { title } }").await;
    assert_eq!(gateway.catalog.answers(), before);
}

#[tokio::test]
async fn many_at_once_are_asked_for_once() {
    let gateway = open().await;
    // Only one of them could end.
    gateway.booking.slow_may_end.add_permits(1);
    let answers = join_all((0..50).map(|_| gateway.query("{ slow }"))).await;
    assert!(answers.iter().all(|answer| *answer == json!({ "data": { "slow": null } })));
    assert_eq!(gateway.booking.slow_begun(), 1);
}

#[tokio::test]
async fn who_waits_is_not_stranded_by_who_went_first() {
    let gateway = open().await;
    let ask = || {
        let request = gateway.post("{ slow }");
        tokio::spawn(answer(request))
    };
    let first = ask();
    until(|| gateway.booking.slow_begun() == 1).await;
    let others: Vec<_> = (0..10).map(|_| ask()).collect();
    first.abort();
    gateway.booking.slow_may_end.add_permits(2);
    for other in others {
        assert_eq!(other.await.unwrap(), json!({ "data": { "slow": null } }));
    }
    assert!(gateway.booking.slow_begun() <= 2);
}

#[tokio::test]
async fn who_waits_in_vain_asks_for_oneself() {
    let gateway = Gateway::start().await;
    let ask = || tokio::spawn(answer(gateway.post("{ slow }")));
    let first = ask();
    until(|| gateway.booking.slow_begun() == 1).await;
    let others: Vec<_> = (0..5).map(|_| ask()).collect();
    gateway.booking.slow_may_end.add_permits(6);
    for answer in others.into_iter().chain([first]) {
        assert_eq!(answer.await.unwrap(), json!({ "data": { "slow": null } }));
    }
}

#[tokio::test]
async fn what_is_asked_for_often_is_fetched_before_it_ends() {
    let gateway = open().await;
    gateway.booking.extensions.cache_control("public, max-age=4");
    gateway.booking.slow_may_end.add_permits(1);
    within(async {
        while gateway.booking.slow_begun() < 2 {
            gateway.query("{ slow }").await;
        }
    })
    .await;
    // Nobody waits for the next one.
    assert_eq!(gateway.query("{ slow }").await, json!({ "data": { "slow": null } }));
    gateway.booking.slow_may_end.add_permits(10);
}

#[tokio::test]
async fn what_is_too_large_is_not_kept() {
    let gateway = open_with(|config| config.answers.max_entry_bytes = 100).await;
    for _ in 0..3 {
        assert_eq!(gateway.query(SHOWS).await["data"]["shows"][0]["title"], "Show 1");
    }
    assert_eq!(fetched(&gateway), (3, 3));
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_should_be() {
    let gateway = open_with(|config| config.answers.enabled = false).await;
    for _ in 0..3 {
        assert_eq!(kept(gateway.post(SHOWS)).await, "no-store");
    }
    assert_eq!(fetched(&gateway), (3, 3));
}

#[tokio::test]
async fn whoever_gets_an_answer_was_admitted() {
    let gateway =
        Guarded::with(Arc::new(SystemClock), outside(), |config| config.rate_limits.general = 6).await;
    gateway.catalog.cache_control(PUBLIC);
    let query = "{ shows { title } }";
    for _ in 0..2 {
        assert!(gateway.query(query).await["errors"].is_null());
    }
    // A bad API key is an error, though its holder could have the answer without it.
    let refused = answer(gateway.post_with_key(query, "mk_0123_wrong")).await;
    assert_eq!(code(&refused), "UNAUTHENTICATED");
    // A token that is worth nothing is worth no less, and one that is good is worth no more.
    assert!(gateway.ask(query, "nonsense").await["errors"].is_null());
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    for _ in 0..6 {
        assert!(gateway.ask(query, &token).await["errors"].is_null());
    }
    assert_eq!(code(&gateway.ask(query, &token).await), "RATE_LIMITED");
    for _ in 0..4 {
        gateway.query(query).await;
    }
    assert_eq!(code(&gateway.query(query).await), "RATE_LIMITED");
    assert_eq!(gateway.catalog.answers(), 1);
}

fn redis(shutdown: &Shutdown) -> Redis {
    let url = std::env::var("MARQUEE_TEST_REDIS_URL")
        .expect("MARQUEE_TEST_REDIS_URL is not set: run `cargo xtask test`, which starts the services");
    let prefix = format!("gateway-{}:", SystemIds.uuid().simple());
    Redis::connect(&RedisConfig { url: url.into(), prefix, ..RedisConfig::default() }, shutdown).unwrap()
}

/// How often everything was dropped.
async fn dropped(gateway: &Gateway) -> u64 {
    let text = within(gateway.http.get(gateway.url("/metrics")).send()).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("gateway_answers_dropped_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

async fn until_dropped(gateway: &Gateway, times: u64) {
    within(async { while dropped(gateway).await < times {} }).await;
}

/// A gateway that has heard that it may have missed something, as each has at first, and that again.
async fn listening() -> (Gateway, Redis) {
    let redis = redis(&Shutdown::new());
    let outside = Outside { redis: Some(redis.clone()), ..outside() };
    let gateway = Gateway::outside(outside, |config| {
        config.auth.enabled = false;
        config.rate_limits.enabled = false;
    })
    .await;
    gateway.catalog.cache_control(PUBLIC);
    gateway.booking.extensions.cache_control(PUBLIC);
    until_dropped(&gateway, 2).await;
    (gateway, redis)
}

#[tokio::test]
async fn everything_goes_when_the_catalog_changes() {
    let (gateway, redis) = listening().await;
    gateway.query(SHOWS).await;
    gateway.query(SHOWS).await;
    assert_eq!(fetched(&gateway), (1, 1));
    platform::cache::tell(&redis, "catalog", &["show_1".to_owned()]).await;
    until_dropped(&gateway, 3).await;
    gateway.query(SHOWS).await;
    assert_eq!(fetched(&gateway), (2, 2));
}

/// What was asked before a change is for those who have asked before.
#[tokio::test]
async fn an_answer_that_was_asked_before_a_change_is_not_kept() {
    let (gateway, redis) = listening().await;
    let ask = || tokio::spawn(answer(gateway.post("{ slow }")));
    let before = ask();
    until(|| gateway.booking.slow_begun() == 1).await;
    platform::cache::tell(&redis, "catalog", &["show_1".to_owned()]).await;
    until_dropped(&gateway, 3).await;
    // It does not wait for the one under way.
    let after = ask();
    until(|| gateway.booking.slow_begun() == 2).await;
    gateway.booking.slow_may_end.add_permits(2);
    for answer in [before, after] {
        assert_eq!(answer.await.unwrap(), json!({ "data": { "slow": null } }));
    }
}

#[tokio::test]
async fn what_is_asked_for_often_is_there_again_after_a_change() {
    let (gateway, redis) = listening().await;
    for _ in 0..6 {
        gateway.query(SHOWS).await;
    }
    gateway.query("{ shows { id } }").await;
    assert_eq!(gateway.catalog.answers(), 2);
    platform::cache::tell(&redis, "catalog", &["show_1".to_owned()]).await;
    // Nobody asks, and only the one of the two is fetched.
    until(|| fetched(&gateway) == (3, 2)).await;
}
