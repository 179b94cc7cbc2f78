//! The switches.

use reqwest::Method;
use serde_json::json;

use crate::support::{Shop, Webhook, impatient};

const INTENTS: &str = "/v1/payment_intents";
const FORM: &[(&str, &str)] = &[("amount", "1250"), ("currency", "eur")];

#[tokio::test]
async fn a_webhook_arrives_repeatedly() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.switch("/sandbox/behaviour", &json!({"webhook": {"repeat": 4}})).await;
    shop.intent().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(webhook.next().await.event["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn webhooks_arrive_in_the_wrong_order() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    let intent = shop.intent().await;
    webhook.next_of("payment_intent.created").await;
    let switches = json!({"webhook": {"reorder": true, "reorder_window_ms": 50}});
    shop.switch("/sandbox/behaviour", &switches).await;
    // One request, two events: they are within one window however slow the machine is.
    shop.pay(&intent, "pm_card_visa").await;
    assert_eq!(webhook.next_kinds(2).await, ["payment_intent.succeeded", "charge.succeeded"]);
}

#[tokio::test]
async fn a_lost_webhook_can_be_sent_again() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.switch("/sandbox/behaviour", &json!({"webhook": {"drop_next": 1}})).await;
    shop.intent().await;
    let (second, _) = shop.intent().await;
    assert_eq!(webhook.next().await.event["data"]["object"]["id"], second, "the first is lost");

    let events = shop.server(Method::GET, "/v1/events", &[]).await;
    let lost = events.body["data"][1]["id"].as_str().unwrap();
    shop.switch(&format!("/sandbox/events/{lost}/resend"), &json!({})).await;
    assert_eq!(webhook.next().await.event["id"], lost);
    let outcomes: Vec<_> =
        shop.server(Method::GET, &format!("/sandbox/deliveries?event={lost}"), &[]).await.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|delivery| delivery["outcome"].clone())
            .collect();
    assert_eq!(outcomes[0], "dropped");
}

#[tokio::test]
async fn the_api_fails_on_demand_and_does_nothing() {
    let shop = Shop::open().await;
    shop.switch("/sandbox/behaviour", &json!({"api": {"fail_next": 2, "fail_status": 503}})).await;
    for _ in 0..2 {
        shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await.is_error(503, "api_error", None);
    }
    let done = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert_eq!(done.status, 200);
    assert!(!done.headers.contains_key("idempotent-replayed"));

    shop.switch("/sandbox/behaviour", &json!({"api": {"error_rate": 1.0, "fail_status": 429}})).await;
    shop.server(Method::GET, INTENTS, &[]).await.is_error(429, "invalid_request_error", Some("rate_limit"));
    shop.client.delete(format!("{}/sandbox/behaviour", shop.sandbox.base_url())).send().await.unwrap();
    assert_eq!(shop.server(Method::GET, INTENTS, &[]).await.status, 200);
}

#[tokio::test]
async fn a_hanging_api_has_done_the_work() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.switch("/sandbox/behaviour", &json!({"api": {"hang": true}})).await;
    let (answer, ()) = tokio::join!(shop.server(Method::POST, INTENTS, FORM), async {
        webhook.next_of("payment_intent.created").await;
        shop.switch("/sandbox/behaviour", &json!({"api": {"hang": false}})).await;
    });
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn unknown_switches_are_refused() {
    let shop = Shop::open().await;
    let refused = shop.switch("/sandbox/behaviour", &json!({"webhook": {"dorp": 1}})).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("dorp"));
}

#[tokio::test]
async fn a_reset_forgets_all_but_the_endpoints() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    webhook.next().await;
    shop.switch("/sandbox/behaviour", &json!({"webhook": {"drop": true}})).await;
    shop.switch("/sandbox/reset", &json!({})).await;
    let listed = shop.server(Method::GET, INTENTS, &[]).await;
    assert_eq!(listed.body["data"], json!([]));
    let fresh = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert!(!fresh.headers.contains_key("idempotent-replayed"));
    assert_eq!(webhook.next().await.event["data"]["object"]["id"], fresh.body["id"]);
}
