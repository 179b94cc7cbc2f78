//! What the gateway takes for a request, and the ids of requests.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Gateway, answer, within};

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let gateway = Gateway::start().await;
    let id = async |given: Option<&str>| {
        let request = gateway.post("{ locale }");
        let request = given.map_or(request.try_clone().unwrap(), |id| request.header("x-request-id", id));
        let response = within(request.send()).await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(Some("checkout-7")).await, "checkout-7");
    assert_ne!(id(Some("not well formed")).await, "not well formed");
    let made = id(None).await;
    assert_eq!(made.len(), 32, "{made}");
    assert_ne!(id(None).await, made);
    let refused = gateway.http.post(gateway.url("/graphql")).json(&json!([])).send();
    assert!(within(refused).await.unwrap().headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn mutations_carry_the_id_that_the_gateway_made_and_queries_do_not() {
    let gateway = Gateway::start().await;
    gateway.query("{ whoami }").await;
    assert!(!gateway.booking.seen.lock().unwrap().contains("x-request-id"));
    gateway.booking.slow_may_end.add_permits(1);
    gateway.query("mutation { slowly }").await;
    assert!(gateway.booking.seen.lock().unwrap().contains("x-request-id"));
}

#[tokio::test]
async fn every_operation_of_a_socket_has_an_id() {
    let gateway = Gateway::start().await;
    gateway.booking.slow_may_end.add_permits(5);
    for payload in [json!({}), json!({ "x-request-id": "not well formed" })] {
        let mut socket = gateway.socket(payload).await;
        socket.query("1", "mutation { slowly }").await;
        socket.query("2", "mutation { slowly }").await;
    }
    let made = gateway.booking.request_ids.lock().unwrap().clone();
    assert!(made.len() == 4 && made.iter().all(|id| id.len() == 32), "{made:?}");
    let mut socket = gateway.socket(json!({ "x-request-id": "checkout-7" })).await;
    socket.query("1", "mutation { slowly }").await;
    assert!(gateway.booking.request_ids.lock().unwrap().contains("checkout-7"));
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let gateway = Gateway::start().await;
    let post = async |body: &str| {
        let request = gateway.http.post(gateway.url("/graphql")).header("content-type", "application/json");
        let response = within(request.body(body.to_owned()).send()).await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    for body in [
        r#"{"query":"{ locale }","query":"{ whoami }"}"#,
        r#"[{"query":"{ locale }"},{"query":"{ whoami }"}]"#,
        r#"{"query":"{ locale }"} trailing"#,
        r#"{"query":["{ locale }"]}"#,
        "{",
        "",
    ] {
        let (status, answer) = post(body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{body}");
    }
    for query in ["query=%7Blocale%7D&query=%7Bwhoami%7D", "query=%7Blocale%7D&variables=x"] {
        let request = gateway.http.get(gateway.url(&format!("/graphql?{query}")));
        let response = within(request.header("apollo-require-preflight", "1").send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    assert!(gateway.booking.seen.lock().unwrap().is_empty(), "a subgraph was asked");
}

#[tokio::test]
async fn what_is_compressed_is_not_accepted() {
    let gateway = Gateway::start().await;
    for encoding in ["gzip", "br", "identity, gzip"] {
        let response = within(gateway.post("{ locale }").header("content-encoding", encoding).send()).await;
        assert_eq!(response.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_explained_by_the_router() {
    let gateway = Gateway::start().await;
    for (query, reason) in [("{", "GRAPHQL_PARSE_FAILED"), ("{ nowhere }", "FieldsOnCorrectType")] {
        let answer = answer(gateway.post(query)).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["reason"]), (&json!("BAD_USER_INPUT"), &json!(reason)));
    }
}
