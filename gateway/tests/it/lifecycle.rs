//! How the gateway starts, and how it ends.

use std::net::TcpListener;

use gateway::{Config, GatewayError};
use platform::{Shutdown, Telemetry};
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Events, Gateway, Received, answer, outside, supergraph, until, within};

#[tokio::test]
async fn a_shutdown_closes_sockets_and_ends() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "subscription { seatMapChanged(showId: 1) { version } }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.shutdown.begin();
    assert!(matches!(socket.receive().await, Received::Closed(1001)));
    let booking = gateway.booking.clone();
    gateway.ended().await.unwrap();
    until(|| booking.subscriptions() == 0).await;
}

#[tokio::test]
async fn what_is_running_is_answered_first() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({ "token": "t" })).await;
    socket.subscribe("1", "mutation { slowly }").await;
    let request = tokio::spawn(answer(gateway.post("mutation { slowly }").bearer_auth("h")));
    until(|| gateway.booking.slow_begun() == 2).await;

    gateway.shutdown.begin();
    within(async { while gateway.raw_socket(&[]).await.is_ok() {} }).await;
    socket.subscribe("2", "{ whoami }").await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "UNAVAILABLE");

    gateway.booking.slow_may_end.add_permits(2);
    assert_eq!(socket.next("1").await["data"]["slowly"], "Bearer t");
    assert_eq!(socket.closed().await, 1001);
    assert_eq!(request.await.unwrap()["data"]["slowly"], "Bearer h");
    gateway.ended().await.unwrap();
}

#[tokio::test]
async fn while_draining_it_is_not_ready_but_still_answers() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "mutation { slowly }").await;
    until(|| gateway.booking.slow_begun() == 1).await;
    gateway.shutdown.begin();
    within(async { while gateway.ready().await != Some(StatusCode::SERVICE_UNAVAILABLE) {} }).await;
    assert_eq!(gateway.query("{ shows { id } }").await["data"]["shows"][0]["id"], "1");
    within(async { while gateway.raw_socket(&[]).await.is_ok() {} }).await;
    gateway.booking.slow_may_end.add_permits(1);
    socket.next("1").await;
    let address = gateway.address;
    gateway.ended().await.unwrap();
    TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn a_load_balancer_has_time_to_notice() {
    let gateway = Gateway::with(|config| config.drain_delay_ms = 3_600_000).await;
    let mut old = gateway.socket(json!({})).await;
    gateway.shutdown.begin();
    assert_eq!(gateway.ready().await, Some(StatusCode::SERVICE_UNAVAILABLE));
    let mut new = gateway.socket(json!({})).await;
    for socket in [&mut old, &mut new] {
        assert_eq!(socket.query("1", "{ whoami }").await, json!({ "data": { "whoami": null } }));
    }
    gateway.shutdown.hard().cancel();
    gateway.ended().await.unwrap();
}

#[tokio::test]
async fn a_stream_breaks_off_so_that_its_client_connects_again() {
    let gateway = Gateway::start().await;
    let query = "subscription { seatMapChanged(showId: 1) { version } }";
    let mut events = Events::of(gateway.post(query)).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.shutdown.begin();
    assert!(events.breaks_off().await);
    gateway.ended().await.unwrap();
}

#[tokio::test]
async fn so_does_a_stream_in_parts() {
    let gateway = Gateway::start().await;
    let request = gateway.post("subscription { seatMapChanged(showId: 1) { version } }");
    let response = within(request.header("accept", "multipart/mixed").send()).await.unwrap();
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.shutdown.begin();
    let rest = within(response.text()).await.unwrap_or_default();
    assert!(!rest.contains("-----"), "the last boundary says that there is no more: {rest}");
    gateway.ended().await.unwrap();
}

#[tokio::test]
async fn an_operation_that_does_not_end_does_not_keep_the_gateway() {
    let gateway = Gateway::with(|config| config.drain_timeout_ms = 100).await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "mutation { slowly }").await;
    until(|| gateway.booking.slow_begun() == 1).await;
    gateway.shutdown.begin();
    assert_eq!(socket.closed().await, 1001);
    gateway.ended().await.unwrap();
}

async fn refused(config: Config) -> String {
    let listener = gateway::bind(&config).await.unwrap();
    let run = gateway::run(config, outside(), Telemetry::detached().unwrap(), listener, Shutdown::new());
    within(run).await.unwrap_err().to_string()
}

fn config() -> Config {
    Config { listen: "127.0.0.1:0".parse().unwrap(), supergraph: supergraph(), ..Config::default() }
}

#[tokio::test]
async fn a_missing_supergraph_is_explained() {
    let error = refused(Config { supergraph: "no/such.graphql".into(), ..config() }).await;
    assert!(error.contains("no/such.graphql"), "{error}");
    assert!(error.contains("cargo xtask schema"), "{error}");
    assert!(error.contains("MARQUEE_GATEWAY__SUPERGRAPH"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_supergraph_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "type Query { a: Int }").unwrap();
    let error = refused(Config { supergraph: file.path().to_path_buf(), ..config() }).await;
    assert!(error.contains("is not a supergraph"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = gateway::bind(&Config { listen, ..config() }).await.unwrap_err();
    assert!(matches!(error, GatewayError::AddressInUse { .. }));
    assert!(error.to_string().contains("MARQUEE_GATEWAY__LISTEN"), "{error}");
}

#[tokio::test]
async fn a_supergraph_is_all_it_needs() {
    let gateway = Gateway::with(|config| {
        *config =
            Config { listen: config.listen, supergraph: config.supergraph.clone(), ..Config::default() };
    })
    .await;
    let schema = json!({ "data": { "__schema": { "queryType": { "name": "Query" } } } });
    assert_eq!(gateway.query("{ __schema { queryType { name } } }").await, schema);
}
