//! The protocol on a socket, and who may open one.

use futures::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};

use crate::harness::{Gateway, Socket, until, within};

fn status(refused: Result<Socket, Error>) -> u16 {
    match refused.err() {
        Some(Error::Http(response)) => response.status().as_u16(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn misuse_is_answered_with_the_close_codes_of_the_protocol() {
    let gateway = Gateway::start().await;
    let init = json!({ "type": "connection_init" });
    let query = json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ slow }" } });
    for (messages, code) in [
        (vec![json!("nonsense")], 4400),
        (vec![json!({ "type": "connection_init", "payload": [] })], 4400),
        (vec![query.clone()], 4401),
        (vec![json!({ "type": "complete", "id": "1" })], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), query.clone(), query.clone()], 4409),
    ] {
        let mut socket = gateway.raw_socket(&[]).await.unwrap();
        for message in &messages {
            socket.send(message.clone()).await;
        }
        assert_eq!(socket.closed().await, code, "{messages:?}");
    }
    let mut socket = gateway.raw_socket(&[]).await.unwrap();
    socket.stream.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(socket.closed().await, 1003);
}

#[tokio::test]
async fn a_client_of_another_protocol_is_told_why_it_is_closed() {
    let gateway = Gateway::start().await;
    let request = format!("ws://{}/graphql", gateway.address).into_client_request().unwrap();
    let (mut stream, _) = within(tokio_tungstenite::connect_async(request)).await.unwrap();
    let message = within(futures::StreamExt::next(&mut stream)).await.unwrap().unwrap();
    let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
    assert_eq!(u16::from(frame.code), 4406);
}

#[tokio::test]
async fn pings_of_the_protocol_are_answered() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.raw_socket(&[]).await.unwrap();
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    socket.init(json!({})).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn an_operation_can_be_cancelled_and_its_id_used_again() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "{ slow }").await;
    until(|| gateway.booking.slow_begun() == 1).await;
    socket.complete("1").await;
    assert_eq!(socket.query("1", "{ whoami }").await, json!({ "data": { "whoami": null } }));
    // An id that is not known any more is not an error.
    socket.complete("1").await;
    assert_eq!(socket.query("2", "{ whoami }").await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn a_socket_may_not_run_more_operations_than_allowed() {
    let gateway = Gateway::with(|config| config.caps.operations_per_socket = 2).await;
    let mut socket = gateway.socket(json!({})).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, "{ slow }").await;
    }
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("3")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
}

#[tokio::test]
async fn sockets_are_limited_in_number() {
    let gateway = Gateway::with(|config| config.caps.sockets = 2).await;
    let first = gateway.socket(json!({})).await;
    let _second = gateway.socket(json!({})).await;
    assert_eq!(status(gateway.raw_socket(&[]).await), 503);
    drop(first);
    within(async { while gateway.raw_socket(&[]).await.is_err() {} }).await;
}

#[tokio::test]
async fn pages_of_other_origins_may_not_open_a_socket() {
    let gateway =
        Gateway::with(|config| config.allowed_origins = vec!["https://marquee.example".to_owned()]).await;
    let evil = gateway.raw_socket(&[("origin", "https://evil.example")]).await;
    assert_eq!(status(evil), 403);
    for allowed in ["http://localhost:3000", "https://marquee.example"] {
        let mut socket = gateway.raw_socket(&[("origin", allowed)]).await.unwrap();
        socket.init(Value::Null).await;
    }
}
