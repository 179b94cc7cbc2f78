//! Subscriptions: who shares an upstream, and what viewers get.

use serde_json::json;

use crate::{
    harness::{Events, Gateway, until, within},
    subgraphs::Event,
};

const SEAT_MAP: &str = "subscription { seatMapChanged(showId: 1) { version caller } }";
const BOOKING: &str = "subscription { bookingChanged(id: 1) { status caller requestId } }";

#[tokio::test]
async fn all_viewers_of_a_seat_map_share_one_upstream() {
    let gateway = Gateway::start().await;
    let mut viewers = Vec::new();
    for viewer in 0..20 {
        let mut socket = gateway.socket(json!({ "token": format!("t{viewer}") })).await;
        socket.subscribe("map", SEAT_MAP).await;
        // An answer on the same socket: the gateway has dealt with the subscription before.
        socket.query("sync", "{ whoami }").await;
        viewers.push(socket);
    }
    let mut sse = Events::of(gateway.post(SEAT_MAP).bearer_auth("s")).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    for version in 1..=3 {
        gateway.booking.send(version);
        let expected = json!({ "data": { "seatMapChanged": { "version": version, "caller": null } } });
        for viewer in &mut viewers {
            assert_eq!(viewer.next("map").await, expected);
        }
        assert_eq!(sse.next().await, Some(expected));
    }
    assert_eq!(gateway.booking.subscriptions(), 1);

    // It lives as long as its last viewer.
    let mut last = viewers.pop().unwrap();
    drop((viewers, sse));
    gateway.booking.send(4);
    assert_eq!(last.next("map").await["data"]["seatMapChanged"]["version"], 4);
    last.complete("map").await;
    until(|| gateway.booking.subscriptions() == 0).await;
}

#[tokio::test]
async fn different_shows_have_different_upstreams() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    for show in ["1", "2"] {
        let query = format!("subscription {{ seatMapChanged(showId: {show}) {{ show {{ id title }} }} }}");
        socket.subscribe(show, &query).await;
    }
    until(|| gateway.booking.subscriptions() == 2).await;
    gateway.booking.send(1);
    for show in ["1", "2"] {
        // The title comes from the other subgraph, for each event.
        let expected =
            json!({ "seatMapChanged": { "show": { "id": show, "title": format!("Show {show}") } } });
        assert_eq!(socket.next(show).await["data"], expected);
    }
}

#[tokio::test]
async fn a_private_subscription_is_shared_by_nobody_else() {
    let gateway = Gateway::start().await;
    let mut callers = Vec::new();
    for caller in ["a", "b"] {
        let payload = json!({ "authorization": format!("Bearer {caller}"), "x-request-id": caller });
        let mut socket = gateway.socket(payload).await;
        socket.subscribe("booking", BOOKING).await;
        callers.push((caller, socket));
    }
    until(|| gateway.booking.subscriptions() == 2).await;
    gateway.booking.send(7);
    for (caller, socket) in &mut callers {
        let expected = json!({ "status": "7", "caller": format!("Bearer {caller}"), "requestId": caller });
        assert_eq!(socket.next("booking").await["data"]["bookingChanged"], expected);
    }

    // A second window of the same caller costs nothing upstream.
    let mut again = gateway.socket(json!({ "token": "a" })).await;
    again.subscribe("booking", BOOKING).await;
    again.query("sync", "{ whoami }").await;
    assert_eq!(gateway.booking.subscriptions(), 2);
}

#[tokio::test]
async fn a_shared_field_beside_a_private_one_is_private() {
    let gateway = Gateway::start().await;
    let query = "subscription S { ...F } fragment F on Subscription { seatMapChanged(showId: 1) { caller } }";
    let mut sockets = Vec::new();
    for caller in ["a", "b"] {
        let mut socket = gateway.socket(json!({ "token": caller })).await;
        socket.subscribe("1", query).await;
        sockets.push((caller, socket));
    }
    until(|| gateway.booking.subscriptions() == 2).await;
    gateway.booking.send(1);
    for (caller, socket) in &mut sockets {
        let expected = json!({ "seatMapChanged": { "caller": format!("Bearer {caller}") } });
        assert_eq!(socket.next("1").await["data"], expected);
    }
}

#[tokio::test]
async fn a_subscription_over_sse_has_the_callers_token() {
    let gateway = Gateway::start().await;
    let mut events = Events::of(gateway.post(BOOKING).bearer_auth("t")).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(5);
    assert_eq!(events.next().await.unwrap()["data"]["bookingChanged"]["caller"], "Bearer t");
    drop(events);
    // The gateway notices that the client is gone when it writes to it.
    until(|| {
        let _ = gateway.booking.events.send(Event { version: 6, padding: 0 });
        gateway.booking.subscriptions() == 0
    })
    .await;
}

#[tokio::test]
async fn an_event_source_can_subscribe() {
    let gateway = Gateway::start().await;
    let request = gateway.http.get(gateway.url("/graphql")).query(&[("query", SEAT_MAP)]);
    let mut events = Events::of(request.header("origin", "http://localhost:3000")).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(5);
    assert_eq!(events.next().await.unwrap()["data"]["seatMapChanged"]["version"], 5);
}

#[tokio::test]
async fn a_client_of_the_multipart_protocol_can_subscribe() {
    let gateway = Gateway::start().await;
    let request = gateway.post(BOOKING).header("accept", "multipart/mixed;subscriptionSpec=\"1.0\"");
    let mut response = within(request.send()).await.unwrap();
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(5);
    let mut text = String::new();
    while !text.contains(r#""status":"5""#) {
        text += std::str::from_utf8(&within(response.chunk()).await.unwrap().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn viewers_in_parts_share_the_upstream_of_the_others() {
    let gateway = Gateway::start().await;
    let mut sse = Events::of(gateway.post(SEAT_MAP)).await;
    let mut parts = Vec::new();
    for (accept, end) in [
        (r#"multipart/mixed;subscriptionSpec="1.0", application/json"#, r#"{"payload":{"data":"#),
        ("multipart/mixed", r#"{"data":"#),
    ] {
        let response = within(gateway.post(SEAT_MAP).header("accept", accept).send()).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("multipart/mixed;boundary="), "{kind}");
        parts.push((response, end));
    }
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(5);
    assert_eq!(sse.next().await.unwrap()["data"]["seatMapChanged"]["version"], 5);
    for (response, begin) in &mut parts {
        let mut text = String::new();
        while !text.contains("}\r\n") {
            text += std::str::from_utf8(&within(response.chunk()).await.unwrap().unwrap()).unwrap();
        }
        assert!(text.contains(&format!("{begin}{{\"seatMapChanged\":{{\"version\":5")), "{text}");
    }
    assert_eq!(gateway.booking.subscriptions(), 1);
}

#[tokio::test]
async fn each_operation_of_many_sockets_gets_each_event_until_it_ends() {
    let gateway = Gateway::start().await;
    // More than are written to in one turn.
    let mut sockets = Vec::new();
    for number in 0..100 {
        let mut socket = gateway.socket(json!({})).await;
        let own = format!("map-{number}");
        socket.subscribe("map", SEAT_MAP).await;
        socket.subscribe(&own, SEAT_MAP).await;
        socket.query("sync", "{ whoami }").await;
        sockets.push((socket, own));
    }
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(1);
    for (socket, own) in &mut sockets {
        for id in ["map", own] {
            assert_eq!(socket.next(id).await["data"]["seatMapChanged"]["version"], 1);
        }
        // The other one of this socket goes on.
        socket.complete("map").await;
        socket.query("sync", "{ whoami }").await;
    }
    gateway.booking.send(2);
    for (socket, own) in &mut sockets {
        let event = socket.message().await;
        assert_eq!(event["id"], **own);
        assert_eq!(event["payload"]["data"]["seatMapChanged"]["version"], 2);
    }
    drop(sockets);
    until(|| gateway.booking.subscriptions() == 0).await;
}

#[tokio::test]
async fn sharing_can_be_switched_off() {
    let gateway = Gateway::with(|config| config.deduplicate = false).await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", SEAT_MAP).await;
    socket.subscribe("2", SEAT_MAP).await;
    until(|| gateway.booking.subscriptions() == 2).await;
}

#[tokio::test]
async fn viewers_are_limited_in_number() {
    let gateway = Gateway::with(|config| config.caps.subscriptions = 2).await;
    let mut socket = gateway.socket(json!({})).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, SEAT_MAP).await;
    }
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("3")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    socket.complete("1").await;
    socket.subscribe("4", SEAT_MAP).await;
    socket.query("sync", "{ whoami }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(1);
    assert_eq!(socket.next("4").await["data"]["seatMapChanged"]["version"], 1);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_holds_up_nobody() {
    const EVENTS: i32 = 400;
    let gateway = Gateway::with(|config| {
        config.caps.events_per_reader = 16;
        // However long the other takes: this one is not closed.
        config.caps.slow_reader_ms = 3_600_000;
        config.caps.silence_ms = 3_600_000;
    })
    .await;
    let query = "subscription { seatMapChanged(showId: 1) { version padding } }";
    let mut slow = gateway.socket(json!({})).await;
    slow.subscribe("map", query).await;
    slow.query("sync", "{ whoami }").await;
    let mut fast = gateway.socket(json!({})).await;
    fast.subscribe("map", query).await;
    fast.query("sync", "{ whoami }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    for version in 1..=EVENTS {
        gateway.booking.events.send(Event { version, padding: 64 * 1024 }).unwrap();
        assert_eq!(fast.next("map").await["data"]["seatMapChanged"]["version"], version);
    }

    // The slow one has missed some, and sees by the version that it has.
    let mut seen = 0;
    let mut last = 0;
    while last < EVENTS {
        last = slow.next("map").await["data"]["seatMapChanged"]["version"].as_i64().unwrap() as i32;
        seen += 1;
    }
    assert!(seen < EVENTS, "the gateway kept {seen} events of 64 KiB for a reader that did not read");
}
