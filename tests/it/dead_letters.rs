//! A message that nobody can handle, and the operator who looks after it.

use kernel::{BookingId, Clock, ShowId, SystemClock};
use serde_json::json;
use tests::{Stack, eventually, stack::WEBHOOK_SECRET};

use crate::payments::{post, signature};

#[tokio::test]
async fn a_poison_message_is_listed_shown_and_replayed() {
    const QUEUE: &str = "booking.payments";
    let stack = Stack::start().await;
    let dlq = |args: &[&str]| stack.command(&[&["dlq"], args].concat());
    assert_eq!(dlq(&["list"]).expect("a list").trim(), "no dead letters");

    // Money for a booking that nobody knows: only a person can tell what it is.
    let show: ShowId = stack.show().await.id.parse().expect("an id");
    let booking = BookingId::new(show, 42).to_string();
    let intent = json!({
        "id": "pi_lost",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 1_000,
        "amount_received": 1_000,
        "currency": "eur",
        "metadata": { "booking_id": booking },
    });
    let now = SystemClock.now().timestamp();
    let body = json!({
        "id": "evt_lost",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": now,
        "data": { "object": intent },
    })
    .to_string();
    assert_eq!(post(&stack, &body, &signature(WEBHOOK_SECRET, now, &body)).await, 200);
    let listed = async || dlq(&["list"]).ok().filter(|list| list.contains(QUEUE));
    let list = eventually("the dead letter is listed", listed).await;
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), [QUEUE, "1"]);

    let letter = dlq(&["show", QUEUE]).expect("a letter");
    let id = letter.lines().next().expect("its id").to_owned();
    for part in
        ["payment.succeeded version 1", "attempts  1", "refused: ", &booking, "pi_lost", "trace     00-"]
    {
        assert!(letter.contains(part), "{part} is not in\n{letter}");
    }

    let refused = |args: &[&str]| dlq(args).expect_err("refused").to_string();
    assert!(refused(&["replay", QUEUE, "--id", "event_none"]).contains("no dead letter event_none"));
    assert!(refused(&["show", "booking.pay"]).contains("there are booking.shows"));
    assert!(refused(&["replay", QUEUE]).contains("--all"));
    assert_eq!(dlq(&["replay", QUEUE, "--id", &id]).expect("replayed").trim(), "1 replayed");
    // Nobody knows the booking now either, so it is back, and the same as it was.
    eventually("it is dead again", listed).await;
    assert_eq!(dlq(&["show", QUEUE]).expect("a letter"), letter);
    assert_eq!(dlq(&["replay", QUEUE, "--all"]).expect("replayed").trim(), "1 replayed");
}
