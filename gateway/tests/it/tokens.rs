//! Access tokens at the gateway: who may ask for what, and until when.

use std::sync::Arc;

use kernel::ManualClock;
use serde_json::json;

use crate::{
    guarded::{Guarded, bearer, code},
    harness::{Events, answer, outside, until, within},
};

const MANAGER: &[&str] = &["CUSTOMER", "MANAGER"];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse().unwrap()))
}

#[tokio::test]
async fn what_needs_a_login_is_refused_before_anything_is_fetched() {
    let gateway = Guarded::start().await;
    let answer = gateway.query("{ slow }").await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    assert_eq!(answer["data"], json!({ "slow": null }));
    assert_eq!(answer["errors"][0]["path"], json!(["slow"]));
    let answer = gateway.query("mutation { slowly }").await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    assert_eq!(gateway.booking.slow_begun(), 0);
    assert!(gateway.booking.seen.lock().unwrap().is_empty(), "a subgraph was asked");
}

#[tokio::test]
async fn what_is_public_is_answered_beside_what_is_not() {
    let gateway = Guarded::start().await;
    let answer = gateway
        .query("{ one: whoami show(id: 1) { title available } ...F } fragment F on Query { two: slow }");
    let answer = answer.await;
    let data = json!({ "one": null, "show": { "title": "Show 1", "available": 42 }, "two": null });
    assert_eq!(answer["data"], data);
    let refused: Vec<_> = answer["errors"].as_array().unwrap().iter().collect();
    assert_eq!(refused.len(), 2, "{answer}");
    for error in refused {
        assert_eq!(error["extensions"], json!({ "code": "UNAUTHENTICATED" }), "{answer}");
    }
    // The schema is public too.
    let schema = gateway.query("{ __schema { queryType { name } } slow }").await;
    assert_eq!(schema["data"]["__schema"]["queryType"]["name"], "Query");
    assert_eq!(code(&schema), "UNAUTHENTICATED");
}

#[tokio::test]
async fn who_is_logged_in_may_do_what_the_account_may() {
    let gateway = Guarded::start().await;
    let (customer, manager) =
        (gateway.issuer.person(1, &["CUSTOMER"], 60), gateway.issuer.person(2, MANAGER, 60));
    let answer = gateway.ask("{ whoami }", &customer).await;
    assert_eq!(answer, json!({ "data": { "whoami": format!("Bearer {customer}") } }));
    let refused = gateway.ask("mutation { slowly }", &customer).await;
    assert_eq!(code(&refused), "FORBIDDEN");
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("role:manager or role:admin"), "{message}");
    assert_eq!(gateway.booking.slow_begun(), 0);
    gateway.booking.slow_may_end.add_permits(1);
    let answer = gateway.ask("mutation { slowly }", &manager).await;
    assert_eq!(answer["data"]["slowly"], format!("Bearer {manager}"));
}

#[tokio::test]
async fn a_token_that_is_no_good_makes_a_stranger() {
    let clock = clock();
    let gateway = Guarded::at(&clock).await;
    let expired = gateway.issuer.person(1, MANAGER, 60);
    assert!(gateway.ask("{ whoami }", &expired).await["errors"].is_null());
    clock.advance(chrono::TimeDelta::seconds(60));
    for (token, why) in [(expired.as_str(), "has expired"), ("nonsense", "is not valid")] {
        let answer = gateway.ask("{ whoami show(id: 1) { title } }", token).await;
        assert_eq!(code(&answer), "UNAUTHENTICATED");
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains(why), "{answer}");
        assert_eq!(answer["data"]["show"]["title"], "Show 1");
    }
}

#[tokio::test]
async fn keys_can_be_rotated_while_the_gateway_runs() {
    let clock = clock();
    let gateway = Guarded::at(&clock).await;
    let of_old_key = gateway.issuer.person(1, MANAGER, 3_600);
    assert!(gateway.ask("{ whoami }", &of_old_key).await["errors"].is_null());
    gateway.issuer.rotate();
    // Strange keys are asked for every few seconds at most.
    clock.advance(chrono::TimeDelta::seconds(10));
    let of_new_key = gateway.issuer.person(1, MANAGER, 3_600);
    for token in [&of_new_key, &of_old_key] {
        assert!(gateway.ask("{ whoami }", token).await["errors"].is_null());
    }
    gateway.issuer.withdraw();
    clock.advance(chrono::TimeDelta::minutes(6));
    assert!(gateway.ask("{ whoami }", &gateway.issuer.person(2, MANAGER, 60)).await["errors"].is_null());
    assert_eq!(code(&gateway.ask("{ whoami }", &of_old_key).await), "UNAUTHENTICATED");
    assert!(gateway.ask("{ whoami }", &of_new_key).await["errors"].is_null());
}

#[tokio::test]
async fn without_keys_only_what_needs_them_is_unavailable() {
    let gateway = Guarded::start().await;
    gateway.issuer.away(true);
    let token = gateway.issuer.person(1, MANAGER, 60);
    let answer = gateway.ask("{ whoami show(id: 1) { title } }", &token).await;
    assert_eq!(code(&answer), "UNAVAILABLE");
    assert_eq!(answer["data"]["show"]["title"], "Show 1");
    let mut socket = gateway.socket(bearer(&token)).await;
    assert_eq!(socket.query("1", "{ show(id: 1) { title } }").await["data"]["show"]["title"], "Show 1");
    gateway.issuer.away(false);
    assert!(gateway.ask("{ whoami }", &token).await["errors"].is_null());
    assert!(socket.query("2", "{ whoami }").await["errors"].is_null());
}

#[tokio::test]
async fn a_socket_is_opened_for_good_tokens_only() {
    let clock = clock();
    let gateway = Guarded::at(&clock).await;
    let expired = gateway.issuer.person(1, MANAGER, -1);
    for payload in [bearer("nonsense"), bearer(&expired), json!({ "token": "a.b.c" })] {
        let mut socket = gateway.raw_socket(&[]).await.unwrap();
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.closed().await, 4403, "{payload}");
    }
    // What comes with the upgrade counts as well.
    let mut socket = gateway.raw_socket(&[("authorization", "Bearer nonsense")]).await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, 4403);
    let token = gateway.issuer.person(1, MANAGER, 60);
    let mut socket = gateway.socket(bearer(&token)).await;
    assert_eq!(socket.query("1", "{ whoami }").await["data"]["whoami"], format!("Bearer {token}"));
    let mut stranger = gateway.socket(json!({})).await;
    assert_eq!(code(&stranger.query("1", "{ whoami }").await), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let gateway = Guarded::start().await;
    let mut lasting = gateway.socket(bearer(&gateway.issuer.person(1, MANAGER, 600))).await;
    let mut socket = gateway.socket(bearer(&gateway.issuer.person(1, MANAGER, 2))).await;
    socket.subscribe("1", "subscription { bookingChanged(id: 1) { status } }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    assert_eq!(socket.closed().await, 4403);
    until(|| gateway.booking.subscriptions() == 0).await;
    assert!(lasting.query("1", "{ whoami }").await["errors"].is_null());
}

#[tokio::test]
async fn a_stream_of_events_ends_with_its_token() {
    let gateway = Guarded::start().await;
    let subscription = "subscription { bookingChanged(id: 1) { status } }";
    let token = gateway.issuer.person(1, MANAGER, 2);
    let mut events = Events::of(gateway.post(subscription).bearer_auth(token)).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(7);
    assert_eq!(events.next().await.unwrap()["data"]["bookingChanged"]["status"], "7");
    assert!(events.breaks_off().await);
}

#[tokio::test]
async fn a_stream_of_parts_ends_with_its_token() {
    let gateway = Guarded::start().await;
    let token = gateway.issuer.person(1, MANAGER, 2);
    let request = gateway.post("subscription { bookingChanged(id: 1) { status } }").bearer_auth(token);
    let request = request.header("accept", r#"multipart/mixed;subscriptionSpec="1.0""#);
    let response = within(request.send()).await.unwrap();
    assert_eq!(response.status(), 200);
    until(|| gateway.booking.subscriptions() == 1).await;
    drop(within(response.bytes()).await);
    until(|| gateway.booking.subscriptions() == 0).await;
}

#[tokio::test]
async fn a_subscription_that_needs_a_login_is_refused() {
    let gateway = Guarded::start().await;
    let subscription = "subscription { bookingChanged(id: 1) { status } }";
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", subscription).await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("1")), "{refused}");
    let extensions = json!({ "code": "UNAUTHENTICATED" });
    assert_eq!(refused["payload"][0]["extensions"], extensions);
    let mut events = Events::of(gateway.post(subscription)).await;
    assert_eq!(events.next().await.unwrap()["errors"][0]["extensions"], extensions);
    assert_eq!(gateway.booking.subscriptions(), 0);
}

#[tokio::test]
async fn without_authentication_tokens_are_only_passed_on() {
    let clock: kernel::SharedClock = clock();
    let gateway = Guarded::with(clock, outside(), |config| {
        config.auth.enabled = false;
        config.rate_limits.enabled = false;
        config.supergraph = crate::harness::supergraph();
    })
    .await;
    let answer = within(answer(gateway.post("{ whoami }").bearer_auth("anything"))).await;
    assert_eq!(answer["data"]["whoami"], "Bearer anything");
}
