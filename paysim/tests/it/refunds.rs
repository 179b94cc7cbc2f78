//! Refunds.

use paysim::{Behaviour, RefundBehaviour, RefundOutcome};
use reqwest::Method;

use crate::support::{Answer, Shop, Webhook, impatient};

const REFUNDS: &str = "/v1/refunds";

async fn refund(shop: &Shop, intent: &str, amount: Option<&str>) -> Answer {
    let mut form = vec![("payment_intent", intent), ("metadata[refund_id]", "refund_1")];
    form.extend(amount.map(|amount| ("amount", amount)));
    shop.server(Method::POST, REFUNDS, &form).await
}

#[tokio::test]
async fn parts_can_be_refunded_until_nothing_is_left() {
    let shop = Shop::open().await;
    let intent = shop.paid_intent("pm_card_visa").await;
    let part = refund(&shop, &intent, Some("500")).await;
    assert_eq!((part.body["amount"].as_i64(), part.text("status").as_str()), (Some(500), "succeeded"));
    assert_eq!(part.body["metadata"]["refund_id"], "refund_1");

    let too_much = refund(&shop, &intent, Some("751")).await;
    too_much.is_error(400, "invalid_request_error", None);
    assert_eq!(too_much.body["error"]["param"], "amount");

    let rest = refund(&shop, &intent, None).await;
    assert_eq!(rest.body["amount"], 750);
    let none = refund(&shop, &intent, None).await;
    none.is_error(400, "invalid_request_error", Some("charge_already_refunded"));

    let charge = shop.server(Method::GET, &format!("/v1/charges/{}", part.text("charge")), &[]).await;
    assert_eq!(
        (charge.body["amount_refunded"].as_i64(), charge.body["refunded"].as_bool()),
        (Some(1250), Some(true))
    );
    let list = shop.server(Method::GET, REFUNDS, &[("payment_intent", &intent)]).await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2);
    let one = shop.server(Method::GET, &format!("{REFUNDS}/{}", rest.text("id")), &[]).await;
    assert_eq!(one.body, rest.body);
}

#[tokio::test]
async fn what_was_not_paid_cannot_be_refunded() {
    let shop = Shop::open().await;
    let (id, _) = shop.intent().await;
    refund(&shop, &id, None).await.is_error(
        400,
        "invalid_request_error",
        Some("payment_intent_unexpected_state"),
    );
    refund(&shop, "pi_none", None).await.is_error(404, "invalid_request_error", Some("resource_missing"));
    shop.server(Method::POST, REFUNDS, &[]).await.is_error(
        400,
        "invalid_request_error",
        Some("parameter_missing"),
    );
}

#[tokio::test]
async fn a_pending_refund_succeeds_later_and_says_so() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.sandbox.set_behaviour(Behaviour {
        refund: RefundBehaviour {
            outcome: RefundOutcome::Pending,
            settle_ms: 5,
            ..RefundBehaviour::default()
        },
        ..Behaviour::default()
    });
    let intent = shop.paid_intent("pm_card_visa").await;
    let pending = refund(&shop, &intent, None).await;
    assert_eq!(pending.text("status"), "pending");
    let settled = webhook.next_of("refund.updated").await;
    assert_eq!(settled.event["data"]["object"]["status"], "succeeded");
}

#[tokio::test]
async fn a_refund_that_fails_leaves_the_amount_on_the_charge() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.switch("/sandbox/behaviour", &serde_json::json!({"refund": {"settle_ms": 5}})).await;
    let intent = shop.paid_intent("pm_card_refundFail").await;
    let pending = refund(&shop, &intent, None).await;
    assert_eq!(pending.text("status"), "pending");
    let failed = webhook.next_of("refund.failed").await;
    assert_eq!(failed.event["data"]["object"]["failure_reason"], "expired_or_canceled_card");
    let again = refund(&shop, &intent, None).await;
    assert_eq!(again.body["amount"], 1250);
}
