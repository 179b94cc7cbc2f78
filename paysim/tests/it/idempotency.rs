//! Idempotency keys.

use reqwest::Method;
use serde_json::json;

use crate::support::Shop;

const INTENTS: &str = "/v1/payment_intents";
const REFUNDS: &str = "/v1/refunds";
const FORM: &[(&str, &str)] = &[("amount", "1250"), ("currency", "eur")];

#[tokio::test]
async fn the_same_request_with_the_same_key_is_done_once() {
    let shop = Shop::open().await;
    let first = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let second = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert_eq!(second.body, first.body);
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(second.headers["original-request"], first.headers["request-id"]);
    let listed = shop.server(Method::GET, INTENTS, &[]).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let shop = Shop::open().await;
    let first = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    let other = [("amount", "1300"), ("currency", "eur")];
    shop.keyed(Method::POST, INTENTS, &other, Some("key-1")).await.is_error(400, "idempotency_error", None);
    let elsewhere = format!("{INTENTS}/{}/cancel", first.text("id"));
    shop.keyed(Method::POST, &elsewhere, &[], Some("key-1")).await.is_error(400, "idempotency_error", None);
}

#[tokio::test]
async fn a_second_request_meanwhile_conflicts_and_later_gets_the_answer() {
    let shop = Shop::open().await;
    shop.switch("/sandbox/behaviour", &json!({"api": {"delay_ms": 1_500}})).await;
    let (one, two) = tokio::join!(
        shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")),
        shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")),
    );
    let (done, conflict) = if one.status == 200 { (one, two) } else { (two, one) };
    conflict.is_error(409, "idempotency_error", Some("idempotency_key_in_use"));
    let later = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert_eq!(later.body, done.body);
}

#[tokio::test]
async fn a_decline_is_kept_a_refused_parameter_is_not() {
    let shop = Shop::open().await;
    let (id, _) = shop.intent().await;
    let confirm = format!("{INTENTS}/{id}/confirm");
    let form = [("payment_method", "pm_card_chargeDeclined")];
    let declined = shop.keyed(Method::POST, &confirm, &form, Some("key-1")).await;
    declined.is_error(402, "card_error", Some("card_declined"));
    let again = shop.keyed(Method::POST, &confirm, &form, Some("key-1")).await;
    assert_eq!((again.status, &again.body), (402, &declined.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");

    let wrong = [("amount", "0"), ("currency", "eur")];
    let refused = shop.keyed(Method::POST, INTENTS, &wrong, Some("key-2")).await;
    assert_eq!(refused.status, 400);
    let right = shop.keyed(Method::POST, INTENTS, FORM, Some("key-2")).await;
    assert_eq!(right.status, 200);
}

/// Whether the answer to this request broke off.
async fn is_lost(shop: &Shop, path: &str, form: &[(&str, &str)], key: &str) -> bool {
    let url = format!("{}{path}", shop.sandbox.base_url());
    let request = shop.client.post(&url).bearer_auth(shop.sandbox.secret_key());
    match request.header("idempotency-key", key).form(form).send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let shop = Shop::open().await;
    shop.switch("/sandbox/behaviour", &json!({"api": {"lose_next": 1}})).await;
    assert!(is_lost(&shop, INTENTS, FORM, "key-1").await, "the connection broke");
    let again = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let listed = shop.server(Method::GET, INTENTS, &[]).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_made_twice_only_without_its_key() {
    let shop = Shop::open().await;
    shop.switch("/sandbox/behaviour", &json!({"refund": {"lose_next": 1}})).await;
    // Other requests are answered.
    let intent = shop.paid_intent("pm_card_visa").await;
    let form = [("payment_intent", intent.as_str()), ("amount", "500")];
    assert!(is_lost(&shop, REFUNDS, &form, "key-1").await, "the connection broke");
    let again = shop.keyed(Method::POST, REFUNDS, &form, Some("key-1")).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let made = shop.server(Method::GET, REFUNDS, &[("payment_intent", &intent)]).await;
    assert_eq!(made.body["data"].as_array().unwrap().len(), 1);
    shop.keyed(Method::POST, REFUNDS, &form, Some("key-2")).await;
    let made = shop.server(Method::GET, REFUNDS, &[("payment_intent", &intent)]).await;
    assert_eq!(made.body["data"].as_array().unwrap().len(), 2);
}
