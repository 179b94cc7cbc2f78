//! What an operation may cost, whatever it is and however it comes.

use std::path::PathBuf;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Events, Gateway, answer, until, within};

/// A mutation costs 10 at least.
const MUTATION: &str = "mutation { slowly }";
const CHEAP: &str = "subscription { seatMapChanged(showId: 1) { version } }";
/// Each of its events has a show, which another subgraph completes.
const DEAR: &str = "subscription { seatMapChanged(showId: 1) { version show { id title available } } }";

async fn stingy() -> Gateway {
    Gateway::with(|config| config.limits.cost = 1).await
}

#[track_caller]
fn costs_too_much(error: &Value) {
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
    assert!(error["message"].as_str().unwrap().contains("cost"), "{error}");
}

#[tokio::test]
async fn by_http() {
    let gateway = stingy().await;
    let refused = gateway.query(MUTATION).await;
    costs_too_much(&refused["errors"][0]);
    assert!(refused["data"].is_null(), "{refused}");
    assert_eq!(gateway.booking.slow_begun(), 0, "it was executed");
    assert!(gateway.booking.seen.lock().unwrap().is_empty(), "a subgraph was asked");
    assert_eq!(gateway.query("{ whoami }").await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn by_events() {
    let gateway = stingy().await;
    let mut events = Events::of(gateway.post(DEAR)).await;
    costs_too_much(&events.next().await.unwrap()["errors"][0]);
    assert_eq!(events.next().await, None);
    assert_eq!(gateway.booking.subscriptions(), 0);
    let mut events = Events::of(gateway.post(CHEAP)).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(3);
    assert_eq!(events.next().await.unwrap()["data"]["seatMapChanged"]["version"], 3);
    // A mutation is answered at once, whatever its client could read.
    let request = gateway.post(MUTATION).header("accept", "application/json, text/event-stream");
    costs_too_much(&answer(request).await["errors"][0]);
    assert_eq!(gateway.booking.slow_begun(), 0);
}

#[tokio::test]
async fn in_parts() {
    let gateway = stingy().await;
    let request = gateway.post(DEAR).header("accept", r#"multipart/mixed;subscriptionSpec="1.0""#);
    let response = within(request.send()).await.unwrap();
    let text = within(response.text()).await.unwrap();
    assert!(text.contains("BAD_USER_INPUT") && text.contains("cost"), "{text}");
    assert_eq!(gateway.booking.subscriptions(), 0);
}

#[tokio::test]
async fn on_a_socket() {
    let gateway = stingy().await;
    let mut socket = gateway.socket(json!({})).await;
    for (id, query) in [("1", MUTATION), ("2", DEAR)] {
        socket.subscribe(id, query).await;
        let refused = socket.message().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!(id)), "{refused}");
        costs_too_much(&refused["payload"][0]);
    }
    assert_eq!((gateway.booking.slow_begun(), gateway.booking.subscriptions()), (0, 0));
    assert_eq!(socket.query("3", "{ whoami }").await, json!({ "data": { "whoami": null } }));
    socket.subscribe("4", CHEAP).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(5);
    assert_eq!(socket.next("4").await["data"]["seatMapChanged"]["version"], 5);
}

/// The weights and sizes of the platform's own schema decide, and what variables say of sizes.
#[tokio::test]
async fn by_the_directives_of_the_schema() {
    let schema: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../schema/supergraph.graphql"].iter().collect();
    let gateway = Gateway::with(|config| {
        config.supergraph = schema;
        config.limits.cost = 150;
    })
    .await;
    let movies = "query($n: Int!) { movies(first: $n) { nodes { id cast { name } } } }";
    let ask = |n: u32| -> RequestBuilder {
        let body = json!({ "query": movies, "variables": { "n": n } });
        gateway.http.post(gateway.url("/graphql")).json(&body)
    };
    costs_too_much(&answer(ask(100)).await["errors"][0]);
    // The small subgraph has no movies, which is seen only by what may be asked.
    let passed = answer(ask(1)).await;
    assert_eq!(passed["errors"][0]["extensions"]["code"], "INTERNAL", "{passed}");
    // Each alias is one more, and a password costs us more than most.
    let input = r#"input: { email: "ada@example.org", password: "correct horse" }"#;
    let attempts: String = (0..20).map(|n| format!("a{n}: logIn({input}) {{ __typename }} ")).collect();
    costs_too_much(&gateway.query(&format!("mutation {{ {attempts} }}")).await["errors"][0]);
}
