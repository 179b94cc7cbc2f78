//! Partners: API keys are exchanged for tokens, and tokens are had at `/oauth/token`.

use std::sync::Arc;

use futures::StreamExt;
use kernel::SystemClock;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    guarded::{Guarded, code},
    harness::{answer, outside, within},
};

fn limits() -> Value {
    json!({ "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 })
}

#[tokio::test]
async fn a_key_is_exchanged_once_and_goes_no_further() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("holds:write", limits());
    let mut asked = Vec::new();
    for n in 0..20 {
        let request = match n % 2 {
            0 => gateway.post_with_key("{ whoami }", &key),
            _ => gateway.post("{ whoami }").bearer_auth(&key),
        };
        asked.push(tokio::spawn(answer(request)));
    }
    for asked in asked {
        let answer = asked.await.unwrap();
        let seen = answer["data"]["whoami"].as_str().unwrap();
        assert!(seen.starts_with("Bearer ey") && !seen.contains("mk_"), "{seen}");
    }
    assert_eq!(gateway.issuer.exchanges(), 1);
    let seen = gateway.booking.seen.lock().unwrap().clone();
    assert!(!seen.contains("x-api-key"), "{seen:?}");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("catalog:read holds:write", limits());
    let query = "{ whoami slow show(id: 1) { title } }";
    let answer = answer(gateway.post_with_key(query, &key)).await;
    assert!(answer["data"]["whoami"].is_string());
    assert_eq!(answer["data"]["show"]["title"], "Show 1");
    assert_eq!(code(&answer), "FORBIDDEN");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("not for API keys"), "{answer}");
    let mut socket = gateway.socket(json!({ "X-Api-Key": key })).await;
    assert!(socket.query("1", "{ whoami }").await["data"]["whoami"].is_string());
    socket.subscribe("2", "subscription { bookingChanged(id: 1) { status } }").await;
    let refused = socket.message().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
}

#[tokio::test]
async fn a_bad_key_is_an_error() {
    let gateway = Guarded::start().await;
    for key in ["mk_0123_wrong", "mk_", "something"] {
        let response = within(gateway.post_with_key("{ show(id: 1) { title } }", key).send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{key}");
        assert_eq!(code(&response.json().await.unwrap()), "UNAUTHENTICATED");
        let mut socket = gateway.raw_socket(&[]).await.unwrap();
        socket.send(json!({ "type": "connection_init", "payload": { "x-api-key": key } })).await;
        assert_eq!(socket.closed().await, 4403);
    }
    assert_eq!(gateway.issuer.exchanges(), 1, "who was refused is not asked for again at once");
    assert!(gateway.booking.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn two_kinds_of_credentials_are_one_too_many() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("holds:write", limits());
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let answer = answer(gateway.post_with_key("{ whoami }", &key).bearer_auth(&token)).await;
    assert_eq!(code(&answer), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_key_works_on_while_nobody_can_tell_and_is_else_a_stranger() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("holds:write", limits());
    gateway.issuer.away(true);
    let query = "{ whoami show(id: 1) { title } }";
    let refused = answer(gateway.post_with_key(query, &key)).await;
    assert_eq!(code(&refused), "UNAVAILABLE");
    assert_eq!(refused["data"]["show"]["title"], "Show 1");
    gateway.issuer.away(false);
    assert!(answer(gateway.post_with_key(query, &key)).await["errors"].is_null());
    gateway.issuer.away(true);
    assert!(answer(gateway.post_with_key(query, &key)).await["errors"].is_null());
}

#[tokio::test]
async fn tokens_are_had_at_the_gateway() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("holds:write", limits());
    let form = |secret: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", "c"), ("client_secret", secret)];
        gateway.http.post(gateway.url("/oauth/token")).header("cookie", "c=1").form(&form).send()
    };
    let response = within(form(&key)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let answer: Value = response.json().await.unwrap();
    assert!(answer["cookie"].is_null(), "a cookie was passed on");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(gateway.ask("{ whoami }", token).await["data"]["whoami"], format!("Bearer {token}"));
    let refused = within(form("wrong")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
}

#[tokio::test]
async fn nothing_else_is_passed_on() {
    let gateway = Guarded::start().await;
    for path in
        ["/oauth/token/", "/oauth/tokens", "/oauth/authorize", "/.well-known/jwks.json", "//oauth/token"]
    {
        let response = within(gateway.http.post(gateway.url(path)).body("a=b").send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let get = within(gateway.http.get(gateway.url("/oauth/token")).send()).await.unwrap();
    assert_eq!(get.status(), StatusCode::NOT_FOUND);
    let long = "a=".to_owned() + &"b".repeat(20_000);
    let response = within(gateway.http.post(gateway.url("/oauth/token")).body(long).send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(gateway.issuer.exchanges(), 0);
}

#[tokio::test]
async fn guessing_is_limited() {
    let gateway =
        Guarded::with(Arc::new(SystemClock), outside(), |config| config.rate_limits.sign_in = 3).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let form = [("grant_type", "client_credentials"), ("client_secret", "guess")];
        let request = gateway.http.post(gateway.url("/oauth/token")).form(&form);
        statuses.push(within(request.send()).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
}

#[tokio::test]
async fn whoever_invents_keys_is_made_to_wait() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.rate_limits.sign_in = 3;
    })
    .await;
    let ask = async |key: &str, address: &str| {
        let request = gateway.post_with_key("{ locale }", key).header("x-forwarded-for", address);
        within(request.send()).await.unwrap().status().as_u16()
    };
    let [used, unused] = [0, 1].map(|_| gateway.issuer.partner("holds:write", limits()));
    assert_eq!(ask(&used, "192.0.2.1").await, 200);
    let mut statuses = Vec::new();
    for n in 0..6 {
        statuses.push(ask(&format!("mk_01kaq3mv7qepatz2m6sj3dpn6e_secret{n}"), "192.0.2.1").await);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    assert_eq!(gateway.issuer.exchanges(), 4, "who has to wait costs nobody anything");
    // A key that was good of late is none that somebody has invented; of another nobody knows that.
    assert_eq!(ask(&used, "192.0.2.1").await, 200);
    assert_eq!(ask(&unused, "192.0.2.1").await, 429);
    assert_eq!(ask(&unused, "192.0.2.2").await, 200);
    let mut socket = gateway.raw_socket(&[("x-forwarded-for", "192.0.2.1")]).await.unwrap();
    socket.send(json!({ "type": "connection_init", "payload": { "x-api-key": "mk_0_x" } })).await;
    assert_eq!(socket.closed().await, 4452);
    assert_eq!(gateway.issuer.exchanges(), 5);
}

#[tokio::test]
async fn a_key_that_is_known_to_be_bad_takes_tokens_too() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.rate_limits.general = 4;
    })
    .await;
    let ask = async |address: &str| {
        let request = gateway.post_with_key("{ locale }", "mk_0123_wrong").header("x-forwarded-for", address);
        within(request.send()).await.unwrap().status().as_u16()
    };
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(ask("192.0.2.1").await);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    assert_eq!(ask("192.0.2.2").await, 401);
    assert_eq!(gateway.issuer.exchanges(), 1);
}

#[tokio::test]
async fn an_open_socket_stays_when_others_guess_at_its_address() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.rate_limits.sign_in = 3;
        config.caps.ping_ms = 50;
    })
    .await;
    let key = gateway.issuer.partner("holds:write", limits());
    // Nobody can tell whether the key is good, and so it is asked for again and again.
    gateway.issuer.away(true);
    let mut socket = gateway.socket(json!({ "x-api-key": key })).await;
    for _ in 0..4 {
        within(gateway.http.post(gateway.url("/oauth/token")).body("guess").send()).await.unwrap();
    }
    for _ in 0..5 {
        let message = within(socket.stream.next()).await.unwrap().unwrap();
        assert!(message.is_ping(), "{message}");
    }
    socket.subscribe("1", "{ locale }").await;
    let refused = socket.message().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
}

#[tokio::test]
async fn a_revoked_key_is_refused_when_it_is_asked_for_anew() {
    let gateway = Guarded::start().await;
    let key = gateway.issuer.partner("holds:write", limits());
    gateway.issuer.revoke(&key);
    assert_eq!(code(&answer(gateway.post_with_key("{ whoami }", &key)).await), "UNAUTHENTICATED");
}
