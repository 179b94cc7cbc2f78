//! What the platform finds out by itself when nobody tells it.

use serde_json::json;
use tests::{StackBuilder, sandbox::GOOD_CARD};

#[tokio::test]
async fn a_payment_whose_webhook_is_lost_becomes_tickets_all_the_same() {
    let stack = StackBuilder::new()
        .set("booking.reconcile.every_seconds", 1)
        .set("booking.reconcile.grace_seconds", 1)
        .start()
        .await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": true } })).await;
    let hold = ada.hold(&show, &show.pick([0, 1])).await.ok();
    let checkout = ada.checkout(&hold).await.ok();
    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");

    // Long before the claim ends, which would be the other way to find out.
    let id = checkout["booking"]["id"].as_str().expect("an id");
    let booking = ada.booking_in(id, "CONFIRMED").await;
    assert_eq!(booking["tickets"].as_array().map(Vec::len), Some(2));

    // Somebody pays for nothing: that is for a person.
    let form = [("amount", "500"), ("currency", "eur"), ("confirm", "true"), ("payment_method", GOOD_CARD)];
    let foreign = stack.sandbox().post("/v1/payment_intents", &form.map(|(k, v)| (k, v.to_owned()))).await;
    let intent = foreign["id"].as_str().expect("an id");
    let findings = tests::eventually("the foreign payment is found", async || {
        let list = stack.command(&["reconcile", "list"]).expect("a list");
        list.contains(intent).then_some(list)
    })
    .await;
    let finding = findings
        .split("\n\n")
        .find(|finding| finding.contains(intent))
        .and_then(|finding| finding.lines().find(|line| line.starts_with("finding_")))
        .expect("its id");
    let unknown = finding.replace(&finding[finding.len() - 3..], "000");
    let refused = stack
        .command(&["reconcile", "resolve", &unknown, "--note", "?", "--by", "ada"])
        .expect_err("unknown");
    assert!(refused.to_string().contains("there is no finding"), "{refused}");
    stack
        .command(&["reconcile", "resolve", finding, "--note", "of the box office", "--by", "ada"])
        .expect("resolved");
    let passed = stack.command(&["reconcile", "run"]).expect("a pass");
    assert!(!passed.contains(intent), "{passed}");
    let all = stack.command(&["reconcile", "list", "--all"]).expect("a list");
    assert!(all.contains("payment_unheard") && all.contains("of the box office"), "{all}");

    // The message comes after all, and changes nothing.
    stack.sandbox().misbehave(&json!({ "webhook": { "drop": false } })).await;
    stack.sandbox().resend("payment_intent.succeeded").await;
    assert_eq!(ada.booking(id).await, booking);
}
