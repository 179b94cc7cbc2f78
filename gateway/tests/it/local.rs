//! Subgraphs of the gateway's own process, which it asks without HTTP. Whatever goes over the network
//! all the same finds nobody, except subscriptions.

use std::collections::BTreeSet;

use axum::{
    Router,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};

use crate::harness::{Events, Gateway, answer, until, within};

/// What the transport adds to a request.
const OF_HTTP: [HeaderName; 4] =
    [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::ACCEPT_ENCODING];

const UNAVAILABLE: &str = "A part of the service is unavailable. Try again.";

/// The code and message of the first error.
fn error(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    (error["extensions"]["code"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}

/// A subgraph that has one answer to everything.
fn says(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Router {
    Router::new().route("/graphql", post(async move || answer))
}

/// A gateway whose booking is `routes`, in its process.
async fn before(routes: Router) -> Gateway {
    Gateway::local_with(|local| drop(local.insert("booking", routes)), |_| {}).await
}

/// The same with `routes` on the network.
async fn apart(routes: Router) -> Gateway {
    let address = crate::subgraphs::serve(routes).await;
    Gateway::with(|config| {
        let url = format!("http://{address}/graphql");
        config.subgraph_urls.insert("booking".to_owned(), url.parse().unwrap());
    })
    .await
}

#[tokio::test]
async fn answers_are_those_that_come_by_http() {
    let (local, remote) = (Gateway::local(|_| {}).await, Gateway::start().await);
    for gateway in [&local, &remote] {
        gateway.booking.slow_may_end.add_permits(100);
        gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    }
    for operation in [
        "{ whoami locale }",
        "{ slow }",
        "mutation { slowly }",
        "mutation { a: slowly b: slowly }",
        "{ shows { id title available } }",
        "{ show(id: 7) { title available } again: show(id: 8) { available } whoami }",
        "{ refused whoami }",
        "{ broken }",
        "{ shows { title } broken refused whoami }",
        "{ nope }",
    ] {
        let ask = |gateway: &Gateway| {
            answer(gateway.post(operation).bearer_auth("t1").header("accept-language", "de"))
        };
        assert_eq!(ask(&local).await, ask(&remote).await, "{operation}");
    }
    let query = "query Q($id: ID!) { show(id: $id) { id available } }";
    let ask = |gateway: &Gateway| {
        let body = json!({ "query": query, "operationName": "Q", "variables": { "id": "\"1\" \u{e9}" } });
        answer(gateway.http.post(gateway.url("/graphql")).json(&body))
    };
    let said = ask(&local).await;
    assert_eq!(said["data"]["show"]["id"], "\"1\" \u{e9}");
    assert_eq!(said, ask(&remote).await);
}

#[tokio::test]
async fn requests_are_those_that_go_by_http() {
    let seen = async |gateway: Gateway, operation: &str| -> BTreeSet<String> {
        gateway.booking.slow_may_end.add_permits(1);
        let request = gateway.post(operation).bearer_auth("t1").header("accept-language", "de");
        answer(request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
            .await;
        let names = gateway.booking.seen.lock().unwrap().clone();
        names.into_iter().filter(|name| !OF_HTTP.iter().any(|added| added.as_str() == name)).collect()
    };
    for operation in ["{ whoami }", "mutation { slowly }"] {
        let local = seen(Gateway::local(|_| {}).await, operation).await;
        assert_eq!(local, seen(Gateway::start().await, operation).await, "{operation}");
        assert!(local.contains("authorization") && local.contains("traceparent"), "{local:?}");
        // Requests that may be shared are not told apart by ids that the gateway made.
        assert_eq!(local.contains("x-request-id"), operation.starts_with("mutation"), "{local:?}");
    }
}

#[tokio::test]
async fn headers_of_answers_reach_the_client() {
    let late =
        || says((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], axum::Json(json!({ "errors": [] }))));
    for gateway in [before(late()).await, apart(late()).await] {
        let response = within(gateway.post("{ whoami }").send()).await.unwrap();
        assert_eq!(response.headers()["retry-after"], "7");
    }
}

#[tokio::test]
async fn callers_never_share_an_answer() {
    let gateway = Gateway::local(|_| {}).await;
    let mut answers = Vec::new();
    // Different operations share what they ask of a subgraph, if anything.
    for caller in 0..16 {
        let (token, operation) =
            (format!("t{}", caller / 2), format!("{{ slow s{caller}: shows {{ id }} }}"));
        answers.push((token.clone(), tokio::spawn(answer(gateway.post(&operation).bearer_auth(token)))));
    }
    let stranger = tokio::spawn(answer(gateway.post("{ slow }")));
    until(|| gateway.booking.slow_begun() >= 9).await;
    gateway.booking.slow_may_end.add_permits(17);
    for (token, answer) in answers {
        assert_eq!(answer.await.unwrap()["data"]["slow"], format!("Bearer {token}"));
    }
    assert!(stranger.await.unwrap()["data"]["slow"].is_null());
}

#[tokio::test]
async fn equal_fetches_of_one_caller_are_made_once_and_mutations_never_shared() {
    let gateway = Gateway::local(|_| {}).await;
    let ask = |n: usize| {
        let operation = format!("{{ slow s{n}: shows {{ id }} }}");
        tokio::spawn(answer(gateway.post(&operation).bearer_auth("t1")))
    };
    let mut answers = vec![ask(0)];
    until(|| gateway.booking.slow_begun() == 1).await;
    answers.extend((1..9).map(ask));
    // Some are known to have joined when a later one with another token has got through.
    let other = tokio::spawn(answer(gateway.post("{ slow }").bearer_auth("t2")));
    until(|| gateway.booking.slow_begun() == 2).await;
    gateway.booking.slow_may_end.add_permits(10);
    for answer in answers {
        assert_eq!(answer.await.unwrap()["data"]["slow"], "Bearer t1");
    }
    other.await.unwrap();
    assert!(gateway.booking.slow_begun() < 10, "none was shared");

    let gateway = Gateway::local(|_| {}).await;
    let ask = || tokio::spawn(answer(gateway.post("mutation { slowly }").bearer_auth("t1")));
    let both = [ask(), ask()];
    until(|| gateway.booking.slow_begun() == 2).await;
    gateway.booking.slow_may_end.add_permits(2);
    for answer in both {
        assert_eq!(answer.await.unwrap()["data"]["slowly"], "Bearer t1");
    }
}

#[tokio::test]
async fn who_leaves_does_not_take_the_others_with_them() {
    let gateway = Gateway::local(|_| {}).await;
    let ask = |n: usize| answer(gateway.post(&format!("{{ slow s{n}: shows {{ id }} }}")).bearer_auth("t1"));
    let first = tokio::spawn(ask(1));
    until(|| gateway.booking.slow_begun() == 1).await;
    let second = tokio::spawn(ask(2));
    let other = tokio::spawn(answer(gateway.post("{ slow }").bearer_auth("t2")));
    until(|| gateway.booking.slow_begun() == 2).await;
    first.abort();
    // What the first has begun is carried through; whether the second waited for it or not, it is answered.
    gateway.booking.slow_may_end.add_permits(3);
    assert_eq!(within(second).await.unwrap()["data"]["slow"], "Bearer t1");
    assert_eq!(within(other).await.unwrap()["data"]["slow"], "Bearer t2");
    until(|| gateway.booking.slow_may_end.available_permits() + gateway.booking.slow_begun() == 3).await;
}

#[tokio::test]
async fn a_panic_is_the_request_s_alone() {
    let routes = Router::new().route("/graphql", post(async || -> StatusCode { panic!("on purpose") }));
    let gateway = before(routes).await;
    for operation in ["{ whoami }", "mutation { slowly }", "{ shows { title available } }"] {
        let said = gateway.query(operation).await;
        assert_eq!(error(&said), ("UNAVAILABLE", UNAVAILABLE), "{said}");
    }
    assert_eq!(gateway.query("{ show(id: 1) { title } }").await["data"]["show"]["title"], "Show 1");
    assert!(!gateway.shutdown.has_failed());
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_over_http() {
    let json = [("content-type", "application/json")];
    for routes in [
        says("no JSON"),
        says((json, "{\"data\":")),
        says((json, "{}")),
        says((json, "")),
        says((StatusCode::INTERNAL_SERVER_ERROR, "column \"secret\" does not exist")),
        Router::new(),
    ] {
        for gateway in [before(routes.clone()).await, apart(routes).await] {
            let said = gateway.query("{ whoami shows { title } }").await;
            assert_eq!(error(&said), ("UNAVAILABLE", UNAVAILABLE), "{said}");
            assert_eq!(said["data"], json!({ "whoami": null, "shows": [{ "title": "Show 1" }] }));
        }
    }
}

#[tokio::test]
async fn a_slow_subgraph_is_not_waited_for() {
    let gateway = Gateway::local(|config| config.subgraph_timeout_ms = 50).await;
    for operation in ["{ slow }", "mutation { slowly }"] {
        let said = gateway.query(operation).await;
        assert_eq!(error(&said), ("UNAVAILABLE", UNAVAILABLE), "{said}");
    }
    // What was begun is carried through.
    assert_eq!(gateway.booking.slow_begun(), 2);
    gateway.booking.slow_may_end.add_permits(2);
    until(|| gateway.booking.slow_may_end.available_permits() == 0).await;
    assert!(gateway.query("{ whoami }").await["errors"].is_null());
}

#[tokio::test]
async fn subscriptions_go_by_socket() {
    let gateway = Gateway::local(|_| {}).await;
    let mut events = Events::of(gateway.post("subscription { seatMapChanged(showId: 1) { version } }")).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(3);
    let event = json!({ "data": { "seatMapChanged": { "version": 3 } } });
    assert_eq!(events.next().await.unwrap(), event);
}

#[tokio::test]
async fn subgraphs_answer_while_the_gateway_drains() {
    let gateway = Gateway::local(|config| config.drain_delay_ms = 3_600_000).await;
    let mut socket = gateway.socket(json!({})).await;
    gateway.shutdown.begin();
    assert_eq!(gateway.ready().await, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(gateway.query("{ whoami shows { available } }").await["data"]["shows"][0]["available"], 42);
    gateway.booking.slow_may_end.add_permits(1);
    let answer = socket.query("1", "mutation { slowly }").await;
    assert_eq!(answer, json!({ "data": { "slowly": null } }));
    gateway.shutdown.hard().cancel();
    gateway.ended().await.unwrap();
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let gateway = Gateway::local(|config| config.local_subgraphs = false).await;
    assert_eq!(error(&gateway.query("{ whoami }").await), ("UNAVAILABLE", UNAVAILABLE));
}
