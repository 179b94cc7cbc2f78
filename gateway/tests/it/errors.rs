//! What clients are told when something goes wrong.

use serde_json::{Value, json};

use crate::harness::{Events, Gateway, answer};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1/graphql";

fn error(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    let extensions = error["extensions"].as_object().unwrap();
    assert!(!extensions.contains_key("service") && !extensions.contains_key("affectedPath"), "{error}");
    (extensions["code"].as_str().unwrap(), error["message"].as_str().unwrap())
}

#[tokio::test]
async fn mistakes_of_the_client_are_explained() {
    let gateway = Gateway::start().await;
    for query in ["{ nope }", "{", "{ show { id } }", "query Q($id: ID!) { show(id: $id) { id } }"] {
        let answer = gateway.query(query).await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{answer}");
        assert!(!message.is_empty());
    }
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "{ nope }").await;
    let message = socket.message().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_refusal_of_a_subgraph_is_passed_on() {
    let gateway = Gateway::start().await;
    let answer = gateway.query("{ refused whoami }").await;
    assert_eq!(error(&answer), ("FORBIDDEN", "Not yours."));
    assert_eq!(answer["data"], json!({ "refused": null, "whoami": null }));
    assert_eq!(answer["errors"][0]["path"], json!(["refused"]));

    let query = "subscription { bookingChanged(id: \"forbidden\") { id } }";
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", query).await;
    assert_eq!(error(&socket.next("1").await), ("FORBIDDEN", "Not yours."));
    let mut events = Events::of(gateway.post(query)).await;
    assert_eq!(error(&events.next().await.unwrap()), ("FORBIDDEN", "Not yours."));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn inner_details_do_not_leave() {
    let gateway = Gateway::start().await;
    let answer = gateway.query("{ broken }").await;
    assert_eq!(error(&answer), ("INTERNAL", "Something went wrong on our side."));
}

#[tokio::test]
async fn a_subgraph_that_is_away_is_unavailable_and_the_others_go_on() {
    let gateway = Gateway::with(|config| {
        config.subgraph_urls.insert("booking".to_owned(), NOWHERE.parse().unwrap());
    })
    .await;
    let unavailable = ("UNAVAILABLE", "A part of the service is unavailable. Try again.");
    assert_eq!(error(&gateway.query("{ whoami }").await), unavailable);
    assert_eq!(
        gateway.query("{ show(id: 1) { title } }").await,
        json!({ "data": { "show": { "title": "Show 1" } } })
    );

    let query = "subscription { seatMapChanged(showId: 1) { version } }";
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", query).await;
    let refused = socket.message().await;
    assert_eq!(refused["type"], "error");
    assert_eq!(error(&json!({ "errors": refused["payload"] })), unavailable);
    let mut events = Events::of(gateway.post(query)).await;
    assert_eq!(error(&events.next().await.unwrap()), unavailable);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn operations_are_limited() {
    let gateway = Gateway::with(|config| {
        config.limits.depth = 2;
        config.limits.aliases = 3;
        config.limits.directives = 3;
        config.limits.tokens = 60;
        config.limits.body_bytes = 2_000;
    })
    .await;
    let aliases = "{ a: whoami b: whoami c: whoami d: whoami }";
    let directives = "{ whoami @include(if: true) @include(if: true) @skip(if: false) @skip(if: false) }";
    let tokens = format!("{{ {} }}", "whoami ".repeat(80));
    for query in ["{ shows { id } whoami }", "{ a: whoami }"] {
        assert!(gateway.query(query).await["errors"].is_null(), "{query}");
    }
    for query in [aliases, directives, &tokens] {
        let answer = gateway.query(query).await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{query}: {answer}");
    }
    let long = format!("{{ whoami }} # {}", "x".repeat(3_000));
    assert_eq!(error(&gateway.query(&long).await).0, "BAD_USER_INPUT");
    let streamed = gateway.post(&long).header("accept", "application/json, text/event-stream");
    assert_eq!(error(&answer(streamed).await).0, "BAD_USER_INPUT");
}
