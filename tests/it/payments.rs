//! Cards that are declined, and webhooks that come too often, late, or from somebody else.

use hmac::{Hmac, KeyInit, Mac};
use kernel::{Clock, SystemClock};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{
    Stack, eventually, http, mail,
    sandbox::{BAD_CARD, GOOD_CARD},
    stack::WEBHOOK_SECRET,
};

#[tokio::test]
async fn a_declined_card_can_be_followed_by_a_good_one() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    let id = checkout["booking"]["id"].as_str().expect("an id");

    let declined = stack.sandbox().confirm(&checkout, BAD_CARD).await;
    assert_eq!(declined["error"]["code"], "card_declined", "{declined}");
    assert_eq!(ada.booking(id).await["status"], "PENDING_PAYMENT");
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..1], "H", "the seat stays claimed");

    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");
    let booking = ada.booking_in(id, "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn checking_out_twice_is_checking_out_once() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let first = ada.checkout_with(&hold, "key-1").await.ok();
    let again = ada.checkout_with(&hold, "key-1").await.ok();
    assert_eq!(first["booking"]["id"], again["booking"]["id"]);
    assert_eq!(first["payment"]["providerIntentId"], again["payment"]["providerIntentId"]);

    let other = ada.hold(&show, &show.pick([5])).await.ok();
    assert_eq!(ada.checkout_with(&other, "key-1").await.code(), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn webhooks_may_come_often_and_in_any_order() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    // Every event five times, and later ones first.
    stack.sandbox().misbehave(&json!({ "webhook": { "repeat": 5, "reorder": true } })).await;
    let hold = ada.hold(&show, &show.pick([0, 1])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    let id = checkout["booking"]["id"].as_str().expect("an id");
    stack.sandbox().confirm(&checkout, BAD_CARD).await;
    stack.sandbox().confirm(&checkout, GOOD_CARD).await;

    let booking = ada.booking_in(id, "CONFIRMED").await;
    let tickets = booking["tickets"].clone();
    eventually("every delivery was accepted", async || {
        let deliveries = stack.sandbox().get("/sandbox/deliveries").await;
        let list = deliveries["data"].as_array()?.clone();
        let succeeded = list.iter().filter(|delivery| delivery["type"] == "payment_intent.succeeded");
        (succeeded.filter(|delivery| delivery["status"] == 200).count() >= 5).then_some(())
    })
    .await;
    let booking = ada.booking(id).await;
    assert_eq!(booking["status"], "CONFIRMED");
    assert_eq!(booking["tickets"], tickets, "repeats change nothing");
    assert_eq!(booking["refunds"], json!([]));
    mail::expect(&stack.mail_dir(), &ada.email, "svg").await;
    assert_eq!(mail::to(&stack.mail_dir(), &ada.email).len(), 1);
}

#[tokio::test]
async fn a_webhook_that_is_not_the_providers_does_nothing() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    let id = checkout["booking"]["id"].as_str().expect("an id");
    let body = event(&checkout);
    let now = SystemClock.now().timestamp();

    let refused = [
        ("another secret", signature("whsec_other", now, &body)),
        ("an old signature", signature(WEBHOOK_SECRET, now - 3_600, &body)),
        ("a signature of something else", signature(WEBHOOK_SECRET, now, "{}")),
        ("rubbish", "t=1,v1=zz".to_owned()),
        ("nothing", String::new()),
    ];
    for (what, signature) in refused {
        assert_eq!(post(&stack, &body, &signature).await, 400, "{what}");
    }
    assert_eq!(ada.booking(id).await["status"], "PENDING_PAYMENT");

    // The same message with the right signature works, so that it was the signature that failed.
    for _ in 0..5 {
        assert_eq!(post(&stack, &body, &signature(WEBHOOK_SECRET, now, &body)).await, 200);
    }
    ada.booking_in(id, "CONFIRMED").await;
}

/// The message that a provider sends when the payment has succeeded.
fn event(checkout: &Value) -> String {
    let total = &checkout["booking"]["total"];
    let amount: String = total["amount"].as_str().expect("an amount").replace('.', "");
    let intent = json!({
        "id": checkout["payment"]["providerIntentId"],
        "object": "payment_intent",
        "status": "succeeded",
        "amount": amount.parse::<i64>().expect("digits"),
        "amount_received": amount.parse::<i64>().expect("digits"),
        "currency": total["currency"].as_str().expect("a currency").to_lowercase(),
        "metadata": { "booking_id": checkout["booking"]["id"] },
    });
    json!({
        "id": "evt_journey",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": SystemClock.now().timestamp(),
        "data": { "object": intent },
    })
    .to_string()
}

/// What the provider sends as `Stripe-Signature`.
pub fn signature(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Delivers a webhook; gives the status of the answer.
pub async fn post(stack: &Stack, body: &str, signature: &str) -> u16 {
    let request = http::client()
        .post(stack.webhook())
        .header("content-type", "application/json")
        .header("stripe-signature", signature)
        .body(body.to_owned());
    request.send().await.expect("an answer").status().as_u16()
}
