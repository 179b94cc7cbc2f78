//! Servers that are away: clear answers, nothing half done.

use client::Reply;
use serde_json::{Value, json};
use tests::{
    Stack, StackBuilder, Wire, eventually, http, people::key, sandbox::GOOD_CARD, services::Services,
};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

async fn ready(stack: &Stack, role: &str) -> (u16, Value) {
    let answer = http::get(&format!("{}/ready", stack.ops(role))).await;
    (answer.status().as_u16(), answer.json().await.expect("a report"))
}

/// Seats are held by this operation, and shown by that.
const HOLDING: &str = "HoldSeats";
const SHOWING: &str = "SeatStates";

/// Which parts of the platform an answer had to do without.
fn degraded(reply: &Reply) -> Value {
    reply.extensions["degraded"].clone()
}

#[tokio::test]
async fn without_redis_seats_are_held_and_sold_all_the_same() {
    let stack = StackBuilder::new().set("redis.url", format!("redis://{NOWHERE}")).start().await;
    for role in ["booking", "worker"] {
        let (status, report) = ready(&stack, role).await;
        assert_eq!((status, &report["status"]), (200, &json!("degraded")), "{role}: {report}");
        assert_eq!(report["dependencies"]["redis"], "down", "{role}: {report}");
    }
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let input = json!({ "showId": show.id, "seatIds": show.pick([0, 1]), "idempotencyKey": key() });
    for socket in [false, true] {
        // The same request by both transports: the same hold, and both are told.
        let reply = if socket {
            let socket = ada.client.socket(&stack.subscriptions()).await.expect("a socket");
            let mut answers = socket.subscribe(HOLDING, json!({ "input": input })).expect("an operation");
            answers.next().await.expect("an answer")
        } else {
            ada.client.call(HOLDING, json!({ "input": input })).await.expect("an answer")
        };
        assert_eq!(degraded(&reply), json!(["seats"]), "{reply:?}");
        assert_eq!(reply.data["holdSeats"]["userErrors"], json!([]), "{reply:?}");
    }
    let hold = ada
        .hold_with(&show, &show.pick([0, 1]), input["idempotencyKey"].as_str().unwrap_or_default())
        .await
        .ok();
    bob.hold(&show, &show.pick([1, 2])).await.refused("SeatsUnavailableError");

    let map = stack.visitor().call(SHOWING, json!({ "showId": show.id })).await.expect("an answer");
    assert_eq!(degraded(&map), json!(["seats"]), "{map:?}");
    let states = map.data["show"]["seatMap"]["states"].as_str().unwrap_or_default();
    assert_eq!(&states[..3], "HHA");

    let checkout = ada.checkout(&hold).await.ok();
    stack.sandbox().confirm(&checkout, GOOD_CARD).await;
    let booking = ada.booking_in(checkout["booking"]["id"].as_str().unwrap_or_default(), "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn redis_goes_away_and_comes_back_while_people_choose() {
    let wire = Wire::to(&Services::from_env().expect("services").redis).await;
    let stack = StackBuilder::new().set("redis.url", wire.url()).start().await;
    let show = stack.show().await;
    let people = [stack.customer("Ada").await, stack.customer("Bob").await, stack.customer("Cleo").await];
    let [ada, bob, cleo] = &people;
    let mut watcher = stack.watch(&stack.visitor(), &show).await;
    let first = ada.hold(&show, &show.pick([0])).await.ok();
    watcher.until("Ada's seat", |map| map.state(0) == 'H').await;

    wire.cut();
    let hold = eventually("a hold without Redis", async || {
        let input = json!({ "showId": show.id, "seatIds": show.pick([2, 3]), "idempotencyKey": key() });
        let reply = bob.client.call(HOLDING, json!({ "input": input })).await.ok()?;
        (degraded(&reply) == json!(["seats"])).then(|| reply.data["holdSeats"].clone())
    })
    .await;
    assert_eq!(hold["userErrors"], json!([]), "{hold}");
    watcher.until("Bob's seats", |map| map.state(2) == 'H' && map.state(3) == 'H').await;
    // Of what only Redis knows nothing can be said for now.
    let reply = ada
        .client
        .call("Checkout", json!({ "input": { "holdId": first["hold"]["id"], "idempotencyKey": key() } }))
        .await;
    assert_eq!(reply.expect("an answer").error_code(), Some("UNAVAILABLE"));
    // Somebody takes Ada's seat meanwhile: who is in PostgreSQL outranks her.
    let rival = cleo.hold(&show, &show.pick([0, 1])).await.ok();

    wire.mend();
    let states = eventually("a map from Redis that has all of it", async || {
        let reply = stack.visitor().call(SHOWING, json!({ "showId": show.id })).await.ok()?;
        let map = &reply.data["show"]["seatMap"];
        let states = map["states"].as_str()?.to_owned();
        (degraded(&reply).is_null() && states.starts_with("HHHH")).then_some(states)
    })
    .await;
    watcher.until("the same", |map| map.map().2 == states && !map.map().0.starts_with("pg-")).await;
    let refused = ada.checkout(&first).await;
    assert!(["HOLD_EXPIRED", "SEATS_UNAVAILABLE"].contains(&refused.code()), "{refused:?}");
    for (person, hold) in [(bob, &hold), (cleo, &rival)] {
        let checkout = person.checkout(hold).await.ok();
        stack.sandbox().confirm(&checkout, GOOD_CARD).await;
        person.booking_in(checkout["booking"]["id"].as_str().unwrap_or_default(), "CONFIRMED").await;
    }
    watcher.until("four sold seats", |map| (0..4).all(|seat| map.state(seat) == 'S')).await;
}

#[tokio::test]
async fn without_rabbitmq_bookings_go_on_and_wait_for_it() {
    let stack = StackBuilder::new()
        .set("rabbit.url", format!("amqp://guest:guest@{NOWHERE}/%2f"))
        .not_ready(&["worker"])
        .start()
        .await;
    let (status, report) = ready(&stack, "worker").await;
    assert_eq!((status, &report["dependencies"]["rabbitmq"]), (503, &json!("down")), "{report}");
    let ada = stack.customer("Ada").await;
    let show = stack.seeded_show().await;
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    let paid = stack.sandbox().confirm(&checkout, GOOD_CARD).await;
    assert_eq!(paid["status"], "succeeded");
    // The webhook is accepted and kept; nobody acts on it yet.
    eventually("the webhook was accepted", async || {
        let deliveries = stack.sandbox().get("/sandbox/deliveries").await;
        let list = deliveries["data"].as_array()?.clone();
        list.iter()
            .any(|sent| sent["type"] == "payment_intent.succeeded" && sent["status"] == 200)
            .then_some(())
    })
    .await;
    let id = checkout["booking"]["id"].as_str().expect("an id");
    assert_eq!(ada.booking(id).await["status"], "PENDING_PAYMENT");
}

#[tokio::test]
async fn without_postgresql_everything_that_needs_it_says_so() {
    let stack = StackBuilder::new()
        .database("postgres://nobody@127.0.0.1:1/nothing")
        .not_ready(&["catalog", "booking", "user", "worker"])
        .start()
        .await;
    let input = json!({ "email": "ada@example.org", "password": "long enough indeed", "name": "Ada" });
    let reply = stack.visitor().call("SignUp", json!({ "input": input })).await.expect("an answer");
    assert_eq!(reply.error_code(), Some("UNAVAILABLE"), "{reply:?}");
    let reply = stack.visitor().call("Cities", json!({})).await.expect("an answer");
    assert_eq!(reply.error_code(), Some("UNAVAILABLE"), "{reply:?}");
    let (status, report) = ready(&stack, "user").await;
    assert_eq!((status, &report["dependencies"]["postgres"]), (503, &json!("down")), "{report}");
}
