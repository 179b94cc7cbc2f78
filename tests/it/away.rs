//! Servers that are away: clear answers, nothing half done.

use serde_json::{Value, json};
use tests::{Stack, StackBuilder, eventually, http, people::key, sandbox::GOOD_CARD};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

async fn ready(stack: &Stack, role: &str) -> (u16, Value) {
    let answer = http::get(&format!("{}/ready", stack.ops(role))).await;
    (answer.status().as_u16(), answer.json().await.expect("a report"))
}

#[tokio::test]
async fn without_redis_people_browse_and_are_told_that_holding_must_wait() {
    let stack = StackBuilder::new()
        .set("redis.url", format!("redis://{NOWHERE}"))
        .not_ready(&["booking", "worker"])
        .start()
        .await;
    for role in ["booking", "worker"] {
        let (status, report) = ready(&stack, role).await;
        assert_eq!((status, &report["dependencies"]["redis"]), (503, &json!("down")), "{role}: {report}");
    }
    let ada = stack.customer("Ada").await;
    let show = stack.known_by_catalog().await;
    let input = json!({ "showId": show.id, "seatIds": show.pick([0]), "idempotencyKey": key() });
    let reply = ada.client.call("HoldSeats", json!({ "input": input })).await.expect("an answer");
    assert_eq!(reply.error_code(), Some("UNAVAILABLE"), "{reply:?}");
    let message = reply.errors[0]["message"].as_str().unwrap_or_default();
    assert!(!message.contains(NOWHERE), "no inner detail: {message}");

    // The page is there, but for the seats.
    let reply = stack.visitor().call("SeatMap", json!({ "showId": show.id })).await.expect("an answer");
    assert_eq!(reply.data["show"]["id"], show.id.as_str());
    assert_eq!(reply.data["show"]["seatMap"], Value::Null);
    assert_eq!(reply.error_code(), Some("UNAVAILABLE"), "{reply:?}");
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
