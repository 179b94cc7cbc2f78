//! Money that the platform hears of after the claim on the seats has ended.

use serde_json::json;
use tests::{Customer, Show, Stack, StackBuilder, eventually, mail, sandbox::GOOD_CARD};

/// Claims end after two seconds, and the provider's messages get lost.
async fn forgetful_provider() -> Stack {
    let stack = StackBuilder::new().set("booking.claim_ttl_seconds", 2).start().await;
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": true } })).await;
    stack
}

/// Pays at once; gives the booking once its claim has ended.
async fn pay_and_expire(stack: &Stack, ada: &Customer, show: &Show) -> String {
    let hold = ada.hold(show, &show.pick([0])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": false } })).await;
    let id = checkout["booking"]["id"].as_str().expect("an id").to_owned();
    ada.booking_in(&id, "EXPIRED").await;
    id
}

#[tokio::test]
async fn the_seat_is_still_free() {
    let stack = forgetful_provider().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let id = pay_and_expire(&stack, &ada, &show).await;
    stack.sandbox().resend("payment_intent.succeeded").await;
    let booking = ada.booking_in(&id, "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(1));
    assert_eq!(booking["refunds"], json!([]));
    eventually("the seat is sold on the map", async || {
        stack.seat_states(&show).await.2.starts_with('S').then_some(())
    })
    .await;
}

#[tokio::test]
async fn somebody_else_has_the_seat() {
    let stack = forgetful_provider().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let id = pay_and_expire(&stack, &ada, &show).await;
    let bobs = bob.buy(&stack, &show, &show.pick([0])).await;

    stack.sandbox().resend("payment_intent.succeeded").await;
    let booking = ada.booking_in(&id, "REFUNDED").await;
    assert_eq!(booking["tickets"], json!([]));
    let refunds = booking["refunds"].as_array().expect("refunds");
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0]["status"], "SUCCEEDED");
    assert_eq!(refunds[0]["amount"], booking["total"]);
    mail::expect(&stack.mail_dir(), &ada.email, "refund").await;

    // The provider agrees: one refund, of all of it.
    let at_provider = stack.sandbox().get("/v1/refunds").await;
    assert_eq!(at_provider["data"].as_array().map(Vec::len), Some(1), "{at_provider}");
    // Bob's ticket is untouched, also by a repetition of the late message.
    stack.sandbox().resend("payment_intent.succeeded").await;
    let bobs_id = bobs["id"].as_str().expect("an id");
    assert_eq!(bob.booking(bobs_id).await, bobs);
}
