//! Nobody is waited for without end: clients that say nothing, and subgraphs that do not answer.

use std::{net::SocketAddr, sync::Arc};

use kernel::SystemClock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    guarded::{Guarded, code},
    harness::{Gateway, Socket, answer, outside, until, within},
};

async fn impatient() -> Gateway {
    Gateway::with(|config| {
        config.caps.ping_ms = 100;
        config.caps.silence_ms = 1_500;
    })
    .await
}

async fn is_told(gateway: &Gateway, reason: &str) -> bool {
    let metrics = within(gateway.http.get(gateway.url("/metrics")).send()).await.unwrap();
    let line = format!("gateway_sockets_closed_total{{reason=\"{reason}\"}}");
    within(metrics.text()).await.unwrap().contains(&line)
}

#[tokio::test]
async fn a_client_that_is_gone_loses_its_socket_and_one_that_answers_pings_keeps_it() {
    let gateway = impatient().await;
    let mut there = gateway.socket(json!({})).await;
    let mut gone = gateway.socket(json!({})).await;
    tokio::select! {
        // Nobody reads what the one is sent, so that its pings have no answer…
        () = within(async { while !is_told(&gateway, "silent").await {} }) => {}
        // …while the other is read, and says nothing else.
        code = there.closed() => panic!("closed with {code}"),
    }
    assert_eq!(there.query("1", "{ whoami }").await, json!({ "data": { "whoami": null } }));
    assert_eq!(gone.closed().await, 1002);
}

#[tokio::test]
async fn a_client_that_does_not_say_who_it_is_loses_its_socket() {
    let gateway = impatient().await;
    let mut socket = gateway.raw_socket(&[]).await.unwrap();
    assert_eq!(socket.closed().await, 4408);
    assert!(is_told(&gateway, "init_timeout").await);
}

async fn is_unavailable(gateway: &Gateway, socket: &mut Socket, id: &str, query: &str) {
    let refused = answer(gateway.post(query)).await;
    assert_eq!(code(&refused), "UNAVAILABLE", "{refused}");
    socket.subscribe(id, query).await;
    let message = socket.message().await;
    let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
    assert_eq!(errors[0]["extensions"]["code"], "UNAVAILABLE", "{message}");
    if message["type"] == "next" {
        assert_eq!(socket.message().await, json!({ "type": "complete", "id": id }));
    }
}

#[tokio::test]
async fn an_operation_takes_no_longer_than_it_may() {
    let gateway = Gateway::with(|config| config.request_timeout_ms = 300).await;
    let mut socket = gateway.socket(json!({})).await;
    is_unavailable(&gateway, &mut socket, "1", "{ slow }").await;
    is_unavailable(&gateway, &mut socket, "2", "mutation { slowly }").await;
    assert_eq!(socket.query("3", "{ whoami }").await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn a_subgraph_takes_no_longer_than_it_may_and_the_others_are_heard() {
    let gateway = Gateway::with(|config| config.subgraph_timeout_ms = 300).await;
    let mut socket = gateway.socket(json!({})).await;
    is_unavailable(&gateway, &mut socket, "1", "{ slow show(id: 1) { title } }").await;
    let answered = gateway.query("{ slow show(id: 1) { title } }").await;
    assert_eq!(answered["data"], json!({ "slow": null, "show": { "title": "Show 1" } }));
    until(|| gateway.booking.slow_begun() >= 1).await;
}

/// Sends a request whose body never ends, and reads the answer until the connection is closed.
async fn begun(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}host: gateway\r\ncontent-length: 1000\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // What was not read when it was closed may make it end with an error.
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let gateway =
        Guarded::with(Arc::new(SystemClock), outside(), |config| config.body_timeout_ms = 200).await;
    for (head, body) in [
        ("POST /graphql HTTP/1.1\r\ncontent-type: application/json\r\n", ""),
        ("POST /graphql HTTP/1.1\r\ncontent-type: application/json\r\n", r#"{"query":"{ who"#),
        ("POST /oauth/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n", "grant_type="),
    ] {
        let answer = begun(gateway.address, head, body).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        assert!(head.to_ascii_lowercase().contains("x-request-id: "), "{head}");
        assert_eq!(code(&serde_json::from_str::<Value>(body).unwrap()), "BAD_USER_INPUT", "{body}");
    }
    assert_eq!(gateway.issuer.exchanges(), 0);
    assert_eq!(gateway.query("{ locale }").await, json!({ "data": { "locale": null } }));
}
