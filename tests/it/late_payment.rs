//! Money that the platform hears of when the time of the claim on the seats is over.

use serde_json::{Value, json};
use tests::{
    Customer, Show, Stack, StackBuilder, eventually, mail,
    sandbox::{GOOD_CARD, SLOW_BANK},
};

/// Claims end soon, whoever cannot be asked, and no message of the provider arrives.
async fn forgetful_provider(limit: i64) -> Stack {
    let stack = StackBuilder::new()
        .set("booking.claim_ttl_seconds", 5)
        .set("booking.claim_limit_seconds", limit)
        .set("booking.payments.breaker_open_ms", 100)
        .start()
        .await;
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": true } })).await;
    stack
}

/// Pays at once; gives the id of the booking, of which the platform hears nothing.
async fn pay(stack: &Stack, ada: &Customer, show: &Show) -> String {
    let hold = ada.hold(show, &show.pick([0])).await.ok();
    paid(stack, &ada.checkout(&hold).await.ok()).await
}

async fn paid(stack: &Stack, checkout: &Value) -> String {
    assert_eq!(stack.sandbox().confirm(checkout, GOOD_CARD).await["status"], "succeeded");
    checkout["booking"]["id"].as_str().expect("an id").to_owned()
}

/// The provider cannot be asked about Ada's payment either, and is not waited for: her claim ends, and Bob
/// gets the seat. Gives his booking, which is paid for as soon as the provider is back.
async fn bob_is_faster(stack: &Stack, show: &Show, ada: &Customer, id: &str, bob: &Customer) -> Value {
    stack.sandbox().misbehave(&json!({ "api": { "error_rate": 1.0 } })).await;
    ada.booking_in(id, "EXPIRED").await;
    let hold = eventually("Bob holds the seat", async || {
        Some(bob.hold(show, &show.pick([0])).await).filter(|payload| !payload.0["hold"].is_null())
    })
    .await
    .ok();
    let unpaid = bob.checkout_with(&hold, "bob").await;
    assert_eq!(unpaid.code(), "PAYMENT_UNAVAILABLE");
    assert_eq!(unpaid.0["booking"]["status"], "PENDING_PAYMENT");

    let well = json!({ "api": { "error_rate": 0.0 }, "webhook": { "drop": false } });
    stack.sandbox().misbehave(&well).await;
    let checkout = eventually("Bob can pay", async || {
        Some(bob.checkout_with(&hold, "bob").await).filter(|payload| !payload.0["payment"].is_null())
    })
    .await
    .ok();
    assert_eq!(checkout["booking"]["id"], unpaid.0["booking"]["id"]);
    let bobs_id = paid(stack, &checkout).await;
    bob.booking_in(&bobs_id, "CONFIRMED").await
}

#[tokio::test]
async fn the_claim_was_paid_in_time() {
    let stack = forgetful_provider(60).await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let id = pay(&stack, &ada, &show).await;
    // The claim is over; the provider is asked to give up the payment, and says that it has the money.
    let booking = ada.booking_in(&id, "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(1));

    // The message comes after all, and changes nothing.
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": false } })).await;
    stack.sandbox().resend("payment_intent.succeeded").await;
    eventually("the seat is sold on the map", async || {
        stack.seat_states(&show).await.2.starts_with('S').then_some(())
    })
    .await;
    assert_eq!(ada.booking(&id).await, booking);
}

#[tokio::test]
async fn the_bank_takes_its_time() {
    let stack = StackBuilder::new()
        .set("booking.claim_ttl_seconds", 3)
        .set("booking.claim_extension_seconds", 3)
        .start()
        .await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let checkout = ada.checkout_with(&hold, "ada").await.ok();
    let intent = stack.sandbox().confirm(&checkout, SLOW_BANK).await;
    assert_eq!(intent["status"], "processing");
    // The time of the claim is over, and over again; nobody gets the seat meanwhile.
    let mut ends = checkout["booking"]["expiresAt"].clone();
    for _ in 0..2 {
        ends = eventually("the claim goes on", async || {
            assert!(stack.seat_states(&show).await.2.starts_with('H'));
            let again = ada.checkout_with(&hold, "ada").await.ok();
            assert_eq!(again["booking"]["status"], "PENDING_PAYMENT");
            Some(again["booking"]["expiresAt"].clone()).filter(|now| *now != ends)
        })
        .await;
        let refused = bob.hold(&show, &show.pick([0])).await;
        assert!(refused.0["hold"].is_null(), "{:?}", refused.0);
    }
    stack.sandbox().settle(intent["id"].as_str().expect("an id"), true).await;
    let id = checkout["booking"]["id"].as_str().expect("an id");
    let booking = ada.booking_in(id, "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn somebody_else_has_the_seat() {
    let stack = forgetful_provider(5).await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let id = pay(&stack, &ada, &show).await;

    let bobs = bob_is_faster(&stack, &show, &ada, &id, &bob).await;

    // Ada's money goes back, all of it and once, however often the message comes.
    for _ in 0..3 {
        stack.sandbox().resend("payment_intent.succeeded").await;
    }
    let booking = ada.booking_in(&id, "REFUNDED").await;
    assert_eq!(booking["tickets"], json!([]));
    let refunds = booking["refunds"].as_array().expect("refunds");
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0]["status"], "SUCCEEDED");
    assert_eq!(refunds[0]["amount"], booking["total"]);
    mail::expect(&stack.mail_dir(), &ada.email, "refund").await;
    let at_provider = stack.sandbox().get("/v1/refunds").await;
    assert_eq!(at_provider["data"].as_array().map(Vec::len), Some(1), "{at_provider}");
    assert_eq!(bob.booking(bobs["id"].as_str().expect("an id")).await, bobs);
}

#[tokio::test]
async fn somebody_else_has_the_seat_and_another_will_do() {
    let stack = forgetful_provider(5).await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let id = paid(&stack, &ada.checkout_anywhere(&hold).await.ok()).await;
    let before = ada.booking(&id).await;
    let bobs = bob_is_faster(&stack, &show, &ada, &id, &bob).await;

    // Ada gets a seat at the same price, once, however often the message comes.
    for _ in 0..3 {
        stack.sandbox().resend("payment_intent.succeeded").await;
    }
    let booking = ada.booking_in(&id, "CONFIRMED").await;
    assert_eq!((&booking["total"], &booking["refunds"]), (&before["total"], &json!([])));
    assert_eq!(booking["seats"][0]["price"], before["seats"][0]["price"]);
    let label = booking["seats"][0]["label"].as_str().expect("a label");
    assert_eq!(booking["tickets"][0]["seat"]["label"], label);
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(1));
    let seat = show.labels.iter().position(|other| other == label).expect("a seat of the show");
    assert_ne!(seat, 0);
    eventually("both seats are sold on the map", async || {
        let states = stack.seat_states(&show).await.2;
        (states.starts_with('S') && states[seat..].starts_with('S')).then_some(())
    })
    .await;
    let mail = mail::expect(&stack.mail_dir(), &ada.email, "as you agreed").await;
    assert!(mail.contains(&format!("had booked ({})", show.labels[0])) && mail.contains(label), "{mail}");
    let story = stack.command(&["audit", "--booking", &id]).expect("the trail");
    assert!(story.contains(&format!("EXPIRED -> CONFIRMED [{label}]")), "{story}");
    assert!(story.contains("equivalent_seats"), "{story}");
    assert_eq!(bob.booking(bobs["id"].as_str().expect("an id")).await, bobs);
}
