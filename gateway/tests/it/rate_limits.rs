//! How much callers may ask for, by every transport.

use std::sync::Arc;

use gateway::{Config, Outside};
use kernel::{IdSource, SystemClock, SystemIds};
use platform::{Redis, Shutdown, redis::RedisConfig};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::{
    guarded::{Guarded, bearer, code},
    harness::{Events, answer, outside, until, within},
};

/// `whoami` is like a search here, and `slowly` moves money.
fn limits(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let limits = &mut config.rate_limits;
    limits.general = 12;
    limits.search = 3;
    limits.search_fields = vec!["whoami".to_owned()];
    limits.payment = 1;
    limits.payment_fields = vec!["slowly".to_owned()];
    limits.known_per_address = 2;
}

async fn start() -> Guarded {
    Guarded::with(Arc::new(SystemClock), outside(), limits).await
}

fn redis(shutdown: &Shutdown) -> Redis {
    let url = std::env::var("MARQUEE_TEST_REDIS_URL")
        .expect("MARQUEE_TEST_REDIS_URL is not set: run `cargo xtask test`, which starts the services");
    let prefix = format!("gateway-{}:", SystemIds.uuid().simple());
    Redis::connect(&RedisConfig { url: url.into(), prefix, ..RedisConfig::default() }, shutdown).unwrap()
}

fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request.header("x-forwarded-for", address)
}

async fn limited(request: RequestBuilder) {
    let response = within(request.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let header: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(code(&answer), "RATE_LIMITED");
    assert_eq!(answer["errors"][0]["extensions"]["retryAfterSeconds"], header);
    assert!((1..=60).contains(&header), "{header}");
}

#[tokio::test]
async fn a_stranger_is_limited_by_address() {
    let gateway = start().await;
    let ask = |address| from(gateway.post("{ locale }"), address);
    for _ in 0..12 {
        assert!(answer(ask("192.0.2.1")).await["errors"].is_null());
    }
    limited(ask("192.0.2.1")).await;
    assert!(answer(ask("192.0.2.2")).await["errors"].is_null());
    // Whoever invents an address in front of their own is not believed.
    limited(ask("203.0.113.9, 192.0.2.1")).await;
}

#[tokio::test]
async fn a_user_is_limited_wherever_they_are() {
    let gateway = start().await;
    let tokens = [1, 2, 3, 4].map(|n| gateway.issuer.person(n, &["CUSTOMER"], 60));
    let ask = |token: &str, address| from(gateway.post("{ whoami }").bearer_auth(token), address);
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert!(answer(ask(&tokens[0], address)).await["errors"].is_null());
    }
    limited(ask(&tokens[0], "192.0.2.4")).await;
    // Others behind the same address have their own limit, up to that of the address.
    for token in [&tokens[1], &tokens[1], &tokens[2], &tokens[2], &tokens[3]] {
        assert!(answer(ask(token, "192.0.2.1")).await["errors"].is_null());
    }
    limited(ask(&tokens[3], "192.0.2.1")).await;
    assert!(answer(ask(&tokens[3], "192.0.2.5")).await["errors"].is_null());
}

#[tokio::test]
async fn every_alias_counts_wherever_it_hides() {
    let gateway = start().await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let ask = |query: &str| gateway.post(query).bearer_auth(&token);
    assert!(answer(ask("{ a: whoami ...F } fragment F on Query { b: whoami }")).await["errors"].is_null());
    limited(ask("{ a: whoami b: whoami }")).await;
    assert!(answer(ask("{ whoami }")).await["errors"].is_null());
    // More than the limit never passes, and what is not asked for the limited field does.
    limited(ask("{ a: whoami b: whoami c: whoami d: whoami }")).await;
    assert!(answer(ask("{ locale }")).await["errors"].is_null());
}

#[tokio::test]
async fn transports_share_the_limit() {
    let gateway = start().await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let mut socket = gateway.socket(bearer(&token)).await;
    assert!(socket.query("1", "{ whoami }").await["errors"].is_null());
    assert!(gateway.ask("{ whoami }", &token).await["errors"].is_null());
    let get = gateway.http.get(gateway.url("/graphql")).query(&[("query", "{ whoami }")]);
    let get = get.bearer_auth(&token).header("x-request-id", "r").header("apollo-require-preflight", "1");
    assert!(answer(get).await["errors"].is_null());
    socket.subscribe("2", "{ whoami }").await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(refused["payload"][0]["extensions"]["retryAfterSeconds"].is_u64(), "{refused}");
    limited(gateway.post("{ whoami }").bearer_auth(&token)).await;
}

#[tokio::test]
async fn every_field_counts_on_a_socket_too() {
    let gateway = start().await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let mut socket = gateway.socket(bearer(&token)).await;
    let refused = async |socket: &mut crate::harness::Socket, id: &str, query: &str| {
        socket.subscribe(id, query).await;
        let refused = socket.message().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!(id)), "{refused}");
        assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
    };
    // More than a minute's limit at once never passes, and takes nothing.
    refused(&mut socket, "1", "{ a: whoami b: whoami c: whoami d: whoami }").await;
    let two = "{ a: whoami locale ...F } fragment F on Query { b: whoami }";
    assert!(socket.query("2", two).await["errors"].is_null());
    refused(&mut socket, "3", "{ a: whoami b: whoami }").await;
    assert!(socket.query("4", "{ whoami }").await["errors"].is_null());
    refused(&mut socket, "5", "{ whoami }").await;
    // Of the fields of a mutation, and of those that have no limit of their own, too: 3 of 12 were
    // taken with the first, and 1 with the second.
    refused(&mut socket, "6", "mutation { a: slowly b: slowly }").await;
    let rest: String = (0..8).map(|n| format!("l{n}: locale ")).collect();
    assert!(socket.query("7", &format!("{{ {rest} }}")).await["errors"].is_null());
    let more = "{ a: locale b: locale c: locale }";
    refused(&mut socket, "8", more).await;
    // Another socket of the same person is no other person.
    let mut second = gateway.socket(bearer(&token)).await;
    refused(&mut second, "1", more).await;
}

#[tokio::test]
async fn subscriptions_count_when_they_begin() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.rate_limits.general = 2;
    })
    .await;
    let subscription = "subscription { seatMapChanged(showId: 1) { version } }";
    let mut events = Events::of(gateway.post(subscription)).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    for version in 0..10 {
        gateway.booking.send(version);
        events.next().await.unwrap();
    }
    let _second = Events::of(gateway.post(subscription)).await;
    limited(gateway.post(subscription).header("accept", "text/event-stream")).await;
}

#[tokio::test]
async fn gateways_share_limits_by_redis() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    within(async { while redis.ping().await.is_err() {} }).await;
    let outside = || Outside { redis: Some(redis.clone()), ..outside() };
    let first = Guarded::with(Arc::new(SystemClock), outside(), limits).await;
    let second = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        limits(config);
        first.issuer.configure(config);
    })
    .await;
    let token = first.issuer.person(1, &["CUSTOMER"], 60);
    for gateway in [&first, &second, &first] {
        assert!(gateway.ask("{ whoami }", &token).await["errors"].is_null());
    }
    for gateway in [&first, &second] {
        limited(gateway.post("{ whoami }").bearer_auth(&token)).await;
    }
    shutdown.finish(std::time::Duration::ZERO).await;
}

#[tokio::test]
async fn while_redis_is_away_a_gateway_keeps_the_limits_itself_and_says_so() {
    let shutdown = Shutdown::new();
    let nowhere = RedisConfig { url: "redis://127.0.0.1:1".into(), ..RedisConfig::default() };
    let redis = Some(Redis::connect(&nowhere, &shutdown).unwrap());
    let gateway = Guarded::with(Arc::new(SystemClock), Outside { redis, ..outside() }, limits).await;
    let ask = || from(gateway.post("{ locale }"), "192.0.2.1");
    for _ in 0..12 {
        assert!(answer(ask()).await["errors"].is_null());
    }
    limited(ask()).await;
    let metrics = within(gateway.http.get(gateway.url("/metrics")).send()).await.unwrap();
    let metrics = within(metrics.text()).await.unwrap();
    assert!(metrics.contains("gateway_rate_limits_local_total 12"), "{metrics}");
}

#[tokio::test]
async fn a_key_has_its_own_rate_and_quota() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    within(async { while redis.ping().await.is_err() {} }).await;
    let outside = Outside { redis: Some(redis), ..outside() };
    let gateway = Guarded::with(Arc::new(SystemClock), outside, limits).await;
    let partner = |rate: u32, quota: u32| {
        let limits = json!({ "rate_per_minute": rate, "daily_quota": quota, "seats_per_show": 1 });
        gateway.issuer.partner("holds:write", limits)
    };
    let slow = partner(2, 100);
    for _ in 0..2 {
        assert!(answer(gateway.post_with_key("{ locale }", &slow)).await["errors"].is_null());
    }
    limited(gateway.post_with_key("{ locale }", &slow)).await;
    let thrifty = partner(1_000, 2);
    for _ in 0..2 {
        assert!(answer(gateway.post_with_key("{ whoami }", &thrifty)).await["errors"].is_null());
    }
    let response = within(gateway.post_with_key("{ whoami }", &thrifty).send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let message = response.json::<Value>().await.unwrap()["errors"][0]["message"].to_string();
    assert!(message.contains("quota"), "{message}");
    shutdown.finish(std::time::Duration::ZERO).await;
}

#[tokio::test]
async fn the_limits_of_a_new_installation_let_a_person_click_around() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |_| {}).await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    for _ in 0..20 {
        assert!(gateway.ask("{ locale show(id: 1) { title } }", &token).await["errors"].is_null());
        assert!(gateway.query("{ locale shows { title } }").await["errors"].is_null());
    }
}

#[tokio::test]
async fn what_is_refused_counts_too() {
    let gateway = start().await;
    let bad = |n: usize| match n % 4 {
        // Each is new: what was read before costs nothing.
        0 => gateway.post(&format!("{{ locale # {n}")),
        1 => gateway.post(&format!("#{n}\n{}", "{a".repeat(100))),
        2 => gateway.http.post(gateway.url("/graphql")).json(&json!([{ "query": n }])),
        _ => gateway.post(&format!("#{n}\n{}", "x".repeat(70_000))),
    };
    for n in 0..12 {
        assert_eq!(code(&answer(from(bad(n), "192.0.2.1")).await), "BAD_USER_INPUT", "{n}");
    }
    for n in 12..20 {
        limited(from(bad(n), "192.0.2.1")).await;
    }
    limited(from(gateway.post("{ locale }"), "192.0.2.1")).await;
    assert!(answer(from(gateway.post("{ locale }"), "192.0.2.2")).await["errors"].is_null());
    // Whoever is known pays for their own mistakes, and for nobody else's.
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    for n in 20..32 {
        let request = bad(n * 4).bearer_auth(&token);
        assert_eq!(code(&answer(from(request, "192.0.2.1")).await), "BAD_USER_INPUT", "{n}");
    }
    limited(from(bad(132).bearer_auth(&token), "192.0.2.3")).await;
    let mut socket = gateway.socket(bearer(&token)).await;
    socket.subscribe("1", "{ locale").await;
    assert_eq!(socket.message().await["payload"][0]["extensions"]["code"], "RATE_LIMITED");
}
