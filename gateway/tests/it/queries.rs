//! Queries and mutations, over HTTP and on a socket.

use serde_json::{Value, json};

use crate::harness::{Gateway, answer};

#[tokio::test]
async fn one_query_is_answered_by_two_subgraphs() {
    let gateway = Gateway::start().await;
    let query = "{ shows { id title available } }";
    let expected = json!({ "data": { "shows": [{ "id": "1", "title": "Show 1", "available": 42 }] } });
    assert_eq!(gateway.query(query).await, expected);
    assert_eq!(gateway.socket(json!({})).await.query("1", query).await, expected);
    let get = gateway.http.get(gateway.url("/graphql")).query(&[("query", query)]);
    assert_eq!(answer(get).await, expected);
}

#[tokio::test]
async fn the_callers_headers_reach_the_subgraphs_over_http() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.query("{ whoami }").await, json!({ "data": { "whoami": null } }));
    let request = gateway
        .post("{ whoami locale }")
        .bearer_auth("t1")
        .header("accept-language", "de")
        .header("x-request-id", "r1")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("cookie", "secret=1")
        .header("x-forwarded-for", "10.0.0.1");
    assert_eq!(answer(request).await, json!({ "data": { "whoami": "Bearer t1", "locale": "de" } }));
    let seen = gateway.booking.seen.lock().unwrap();
    for forwarded in ["x-request-id", "traceparent"] {
        assert!(seen.contains(forwarded), "{forwarded}");
    }
    for kept in ["cookie", "x-forwarded-for"] {
        assert!(!seen.contains(kept), "{kept}");
    }
}

#[tokio::test]
async fn the_token_of_a_socket_reaches_the_subgraphs() {
    let gateway = Gateway::start().await;
    for payload in [
        json!({ "authorization": "Bearer t1" }),
        json!({ "Authorization": "Bearer t1" }),
        json!({ "headers": { "Authorization": "Bearer t1" } }),
        json!({ "token": "t1" }),
    ] {
        let mut socket = gateway.socket(payload).await;
        assert_eq!(socket.query("1", "{ whoami }").await["data"]["whoami"], "Bearer t1");
        gateway.booking.slow_may_end.add_permits(1);
        assert_eq!(socket.query("2", "mutation { slowly }").await["data"]["slowly"], "Bearer t1");
    }
    assert_eq!(
        gateway.socket(Value::Null).await.query("1", "{ whoami }").await["data"]["whoami"],
        Value::Null
    );
}

#[tokio::test]
async fn the_token_of_the_upgrade_is_used_unless_the_first_message_has_one() {
    let gateway = Gateway::start().await;
    for (payload, expected) in
        [(Value::Null, "Bearer up"), (json!({}), "Bearer up"), (json!({ "token": "t1" }), "Bearer t1")]
    {
        let mut socket = gateway.raw_socket(&[("authorization", "Bearer up")]).await.unwrap();
        socket.init(payload).await;
        assert_eq!(socket.query("1", "{ whoami }").await["data"]["whoami"], expected);
    }
}

#[tokio::test]
async fn variables_and_named_operations_work_on_a_socket() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    let payload = json!({
        "query": "query A($id: ID!) { show(id: $id) { title } } query B { whoami }",
        "operationName": "A",
        "variables": { "id": "7" },
    });
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;
    assert_eq!(socket.next("1").await, json!({ "data": { "show": { "title": "Show 7" } } }));
}
