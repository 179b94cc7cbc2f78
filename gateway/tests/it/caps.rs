//! What may be open at once, readers that do not read, and what of it is told.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use kernel::SystemClock;
use reqwest::header;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    guarded::{Guarded, bearer},
    harness::{Events, Gateway, Received, Socket, outside, until, within},
    subgraphs::Event,
};

const SEAT_MAP: &str = "subscription { seatMapChanged(showId: 1) { version padding } }";

async fn metrics(gateway: &Gateway) -> String {
    let response = within(gateway.http.get(gateway.url("/metrics")).send()).await.unwrap();
    within(response.text()).await.unwrap()
}

/// Behind a proxy, so that clients can be of different addresses.
async fn behind_a_proxy(change: impl FnOnce(&mut gateway::Config)) -> Gateway {
    Gateway::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        change(config);
    })
    .await
}

#[tokio::test]
async fn an_address_has_only_so_many_sockets() {
    let gateway = behind_a_proxy(|config| config.caps.sockets_per_address = 2).await;
    let open = async |address: &str| gateway.raw_socket(&[("x-forwarded-for", address)]).await;
    let first = open("192.0.2.1").await.unwrap();
    let _second = open("192.0.2.1").await.unwrap();
    match open("192.0.2.1").await.err() {
        Some(Error::Http(response)) => {
            assert_eq!(response.status(), 429);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
        other => panic!("expected a refusal, not {other:?}"),
    }
    let _other = open("192.0.2.2").await.unwrap();
    drop(first);
    within(async { while open("192.0.2.1").await.is_err() {} }).await;
    let told = metrics(&gateway).await;
    assert!(told.contains(r#"gateway_sockets_refused_total{reason="address"}"#), "{told}");
    assert!(told.contains("gateway_sockets_limit 20000"), "{told}");
}

#[tokio::test]
async fn an_address_has_only_so_many_subscriptions() {
    let gateway = behind_a_proxy(|config| config.caps.subscriptions_per_address = 1).await;
    let mut socket = gateway.raw_socket(&[("x-forwarded-for", "192.0.2.1")]).await.unwrap();
    socket.init(json!({})).await;
    socket.subscribe("1", SEAT_MAP).await;
    socket.subscribe("2", SEAT_MAP).await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    // By events, too.
    let request = gateway.post(SEAT_MAP).header("accept", "text/event-stream");
    let refused = within(request.header("x-forwarded-for", "192.0.2.1").send()).await.unwrap();
    assert_eq!(refused.status(), 429);
    let _other = Events::of(gateway.post(SEAT_MAP).header("x-forwarded-for", "192.0.2.2")).await;
}

/// Callers are known by their tokens, wherever they come from.
async fn guarded(change: impl FnOnce(&mut gateway::Config)) -> Guarded {
    Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.rate_limits.enabled = false;
        change(config);
    })
    .await
}

/// A socket from an address, with `payload` in its `connection_init`.
async fn socket_from(gateway: &Gateway, address: &str, payload: &Value) -> Socket {
    let mut socket = gateway.raw_socket(&[("x-forwarded-for", address)]).await.unwrap();
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    socket
}

async fn is_open(socket: &mut Socket) -> bool {
    match socket.receive().await {
        Received::Message(message) => message == json!({ "type": "connection_ack" }),
        Received::Closed(code) => {
            assert_eq!(code, 4451);
            false
        }
    }
}

#[tokio::test]
async fn a_caller_has_only_so_many_sockets_wherever_they_are_opened() {
    let gateway = guarded(|config| config.caps.sockets_per_user = 2).await;
    let limits = json!({ "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 });
    let [one, other] = [1, 2].map(|n| bearer(&gateway.issuer.person(n, &["CUSTOMER"], 60)));
    let key = json!({ "x-api-key": gateway.issuer.partner("seats:watch", limits) });
    for payload in [&one, &key] {
        let mut first = socket_from(&gateway, "192.0.2.1", payload).await;
        let mut second = socket_from(&gateway, "192.0.2.2", payload).await;
        assert!(is_open(&mut first).await && is_open(&mut second).await);
        let mut third = socket_from(&gateway, "192.0.2.3", payload).await;
        assert!(!is_open(&mut third).await, "{payload}");
        // Others may, and so may strangers.
        for payload in [&other, &json!({})] {
            assert!(is_open(&mut socket_from(&gateway, "192.0.2.1", payload).await).await);
        }
        // Who closes one may open another.
        drop(first);
        within(async { while !is_open(&mut socket_from(&gateway, "192.0.2.3", payload).await).await {} })
            .await;
        assert!(second.query("1", "{ show(id: 1) { title } }").await["errors"].is_null());
    }
}

#[tokio::test]
async fn a_caller_has_only_so_many_subscriptions_of_all_transports() {
    let gateway = guarded(|config| config.caps.subscriptions_per_user = 2).await;
    let limits = json!({ "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 });
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let key = gateway.issuer.partner("seats:watch", limits);
    for credentials in [token, key] {
        let mut first = gateway.socket(bearer(&credentials)).await;
        let mut second = gateway.socket(bearer(&credentials)).await;
        first.subscribe("1", SEAT_MAP).await;
        // One after the other: the answer shows that the first has its place.
        assert!(first.query("2", "{ locale }").await["errors"].is_null());
        let events = Events::of(gateway.post(SEAT_MAP).bearer_auth(&credentials)).await;
        second.subscribe("3", SEAT_MAP).await;
        let refused = second.message().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("3")), "{refused}");
        assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
        let again = gateway.post(SEAT_MAP).bearer_auth(&credentials).header("accept", "text/event-stream");
        assert_eq!(within(again.send()).await.unwrap().status(), 429);
        // Somebody else sees the same events.
        let other = gateway.issuer.person(2, &["CUSTOMER"], 60);
        let mut others = Events::of(gateway.post(SEAT_MAP).bearer_auth(other)).await;
        until(|| gateway.booking.subscriptions() == 1).await;
        gateway.booking.send(7);
        assert_eq!(others.next().await.unwrap()["data"]["seatMapChanged"]["version"], 7);
        // A place is free when a subscription ends.
        drop(events);
        first.complete("1").await;
        let again = || gateway.post(SEAT_MAP).bearer_auth(&credentials).header("accept", "text/event-stream");
        within(async { while again().send().await.unwrap().status() == 429 {} }).await;
    }
}

#[tokio::test]
async fn whoever_does_not_read_is_closed() {
    let gateway = Gateway::with(|config| {
        config.caps.events_per_reader = 16;
        config.caps.slow_reader_ms = 200;
    })
    .await;
    let mut slow = gateway.socket(json!({})).await;
    slow.subscribe("map", SEAT_MAP).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    let mut version = 0;
    // More than the buffers between us have room for.
    within(async {
        while !metrics(&gateway).await.contains(r#"gateway_sockets_closed_total{reason="slow"}"#) {
            version += 1;
            // Nobody takes it when the socket has just been closed.
            let _ = gateway.booking.events.send(Event { version, padding: 64 * 1024 });
        }
    })
    .await;
    // It ends, with the reason if that still gets through.
    let mut code = None;
    while let Some(Ok(message)) = within(slow.stream.next()).await {
        if let Message::Close(frame) = message {
            code = frame.map(|frame| u16::from(frame.code));
        }
    }
    assert!(code.is_none_or(|code| code == 4450), "{code:?}");
    until(|| gateway.booking.subscriptions() == 0).await;
}

/// A subscription by HTTP whose client only asks, and reads nothing.
async fn unread(gateway: &Gateway, accept: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let body = json!({ "query": SEAT_MAP }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\naccept: {accept}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn whoever_does_not_read_a_stream_is_closed_and_leaves_a_place() {
    let gateway = Gateway::with(|config| {
        config.caps.subscriptions = 1;
        config.caps.events_per_reader = 16;
        config.caps.slow_reader_ms = 200;
    })
    .await;
    for accept in ["text/event-stream", r#"multipart/mixed;subscriptionSpec="1.0""#, "multipart/mixed"] {
        let mut slow = unread(&gateway, accept).await;
        until(|| gateway.booking.subscriptions() == 1).await;
        let mut version = 0;
        // More than the buffers between us have room for.
        until(|| {
            version += 1;
            let _ = gateway.booking.events.send(Event { version, padding: 64 * 1024 });
            gateway.booking.subscriptions() == 0
        })
        .await;
        let mut read = Vec::new();
        let _ = within(slow.read_to_end(&mut read)).await;
        assert!(read.starts_with(b"HTTP/1.1 200 "), "{accept}");
    }
    let told = metrics(&gateway).await;
    assert!(told.contains(r#"gateway_streams_closed_total{reason="slow"} 3"#), "{told}");
}

#[tokio::test]
async fn whoever_reads_slowly_keeps_a_stream() {
    let gateway = Gateway::with(|config| config.caps.slow_reader_ms = 100).await;
    let mut events = Events::of(gateway.post(SEAT_MAP)).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    for version in 1..=5 {
        // Nothing is sent for longer than nothing may be left unread.
        assert!(timeout(Duration::from_millis(150), events.next()).await.is_err());
        gateway.booking.events.send(Event { version, padding: 64 * 1024 }).unwrap();
        assert_eq!(events.next().await.unwrap()["data"]["seatMapChanged"]["version"], version);
    }
}

#[tokio::test]
async fn connections_are_limited_in_number_and_sockets_are_none_of_these() {
    let gateway = Gateway::with(|config| config.caps.connections = 4).await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(gateway.socket(json!({})).await);
    }
    within(async { while !metrics(&gateway).await.contains("gateway_connections_limit 4") {} }).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    // Those who are connected are served.
    assert!(sockets[0].query("1", "{ whoami }").await["errors"].is_null());
    let full = timeout(Duration::from_millis(300), gateway.ready()).await;
    assert!(!matches!(full, Ok(Some(_))), "{full:?}");
    drop(idle);
    within(async { while gateway.ready().await.is_none() {} }).await;
}

#[tokio::test]
async fn whoever_missed_events_is_told_to_read_anew() {
    let gateway = Gateway::with(|config| {
        config.caps.events_per_reader = 4;
        // However long the other takes: this one is not closed.
        config.caps.slow_reader_ms = 3_600_000;
        config.caps.silence_ms = 3_600_000;
    })
    .await;
    let mut slow = gateway.socket(json!({})).await;
    slow.subscribe("map", SEAT_MAP).await;
    let mut fast = gateway.socket(json!({})).await;
    fast.subscribe("map", SEAT_MAP).await;
    fast.query("sync", "{ whoami }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    for version in 1..=400 {
        gateway.booking.events.send(Event { version, padding: 64 * 1024 }).unwrap();
        assert_eq!(fast.next("map").await["extensions"], Value::Null);
    }
    let mut seen = 0;
    while seen < 400 {
        let event = slow.next("map").await;
        let version = event["data"]["seatMapChanged"]["version"].as_i64().unwrap();
        assert_eq!(
            event["extensions"]["resync"] == json!(true),
            version != seen + 1,
            "{seen} then {version}"
        );
        seen = version;
    }
    let told = metrics(&gateway).await;
    assert!(told.contains(r#"gateway_resyncs_total{cause="slow"}"#), "{told}");
}

#[tokio::test]
async fn all_that_a_slow_reader_has_asked_for_has_its_turn() {
    const BEFORE: i32 = 600;
    let gateway = Gateway::with(|config| {
        // One subscription alone has more waiting than buffers take at once.
        config.caps.events_per_reader = 200;
        config.caps.slow_reader_ms = 3_600_000;
        config.caps.silence_ms = 3_600_000;
    })
    .await;
    let other = "subscription Other { seatMapChanged(showId: 1) { version padding } }";
    let mut slow = gateway.socket(json!({})).await;
    slow.subscribe("map", SEAT_MAP).await;
    slow.subscribe("other", other).await;
    let mut fast = gateway.socket(json!({})).await;
    fast.subscribe("map", SEAT_MAP).await;
    fast.query("sync", "{ whoami }").await;
    until(|| gateway.booking.subscriptions() == 2).await;
    // More than the buffers between us have room for.
    let mut version = 0;
    while version < BEFORE {
        version += 1;
        gateway.booking.events.send(Event { version, padding: 64 * 1024 }).unwrap();
        fast.next("map").await;
    }
    slow.subscribe("query", "{ whoami }").await;
    // From now on it reads, and each time there is more.
    let mut missing = vec![json!("map"), json!("other"), json!("query")];
    while !missing.is_empty() {
        let message = slow.message().await;
        let is_late = match message["type"].as_str() {
            Some("next") => {
                message["payload"]["data"]["seatMapChanged"]["version"].as_i64() > Some(BEFORE.into())
            }
            kind => kind == Some("complete"),
        };
        if is_late {
            missing.retain(|id| *id != message["id"]);
        }
        for _ in 0..3 {
            version += 1;
            gateway.booking.events.send(Event { version, padding: 64 * 1024 }).unwrap();
            fast.next("map").await;
        }
        assert!(version < 10 * BEFORE, "it has not got {missing:?}");
    }
}

#[tokio::test]
async fn operations_are_told_by_name_and_outcome() {
    let gateway = Gateway::start().await;
    gateway.query("query Who { whoami }").await;
    gateway.query("query Private { refused }").await;
    gateway.query("{ nothing }").await;
    let mut socket = gateway.socket(json!({})).await;
    socket.query("1", "query OnSocket { whoami }").await;
    let told = metrics(&gateway).await;
    let count = |operation: &str, outcome: &str| {
        let labels = [format!("operation=\"{operation}\""), format!("outcome=\"{outcome}\"")];
        told.lines().any(|line| {
            line.starts_with("gateway_operations_total{") && labels.iter().all(|label| line.contains(label))
        })
    };
    for (operation, outcome) in
        [("Who", "ok"), ("OnSocket", "ok"), ("Private", "forbidden"), ("other", "bad_user_input")]
    {
        assert!(count(operation, outcome), "{operation} {outcome}: {told}");
    }
    assert!(told.contains(r#"gateway_operation_seconds_bucket{operation="Who""#), "{told}");
    assert!(!told.contains("graphql_operation_name"), "names of clients are labels of the router: {told}");
}
