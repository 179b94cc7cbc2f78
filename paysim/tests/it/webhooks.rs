//! Webhooks.

use paysim::{WebhookTarget, signature};
use reqwest::Method;
use serde_json::json;

use crate::support::{SECRET, Shop, Webhook, impatient};

#[tokio::test]
async fn a_payment_tells_its_story_signed() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    let intent = shop.intent().await;
    assert_eq!(webhook.next().await.kind(), "payment_intent.created");

    assert_eq!(shop.pay(&intent, "pm_card_chargeDeclined").await.status, 402);
    let failed = webhook.next_of("payment_intent.payment_failed").await;
    let object = &failed.event["data"]["object"];
    assert_eq!(object["last_payment_error"]["code"], "card_declined");

    shop.pay(&intent, "pm_card_visa").await;
    let paid = webhook.next_of("payment_intent.succeeded").await;
    assert_eq!(paid.event["object"], "event");
    assert_eq!(paid.event["data"]["object"]["id"], intent.0);
    assert_eq!(paid.event["data"]["object"]["amount_received"], 1250);

    let (timestamp, _) = paid.signature.split_once(',').unwrap();
    let timestamp = timestamp.strip_prefix("t=").unwrap().parse().unwrap();
    assert_eq!(paid.signature, signature::header(&[SECRET], timestamp, &paid.raw));

    shop.server(Method::POST, "/v1/refunds", &[("payment_intent", &intent.0)]).await;
    let mut kinds = webhook.next_kinds(3).await;
    kinds.sort();
    assert_eq!(kinds, ["charge.refunded", "refund.created", "refund.updated"]);
}

#[tokio::test]
async fn a_bank_takes_its_time() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    for (paid, told, status) in [
        (false, "payment_intent.payment_failed", "requires_payment_method"),
        (true, "payment_intent.succeeded", "succeeded"),
    ] {
        let intent = shop.intent().await;
        let answer = shop.pay(&intent, "pm_usBankAccount_processing").await;
        assert_eq!((answer.status, answer.text("status").as_str()), (200, "processing"));
        let processing = webhook.next_of("payment_intent.processing").await;
        assert_eq!(processing.event["data"]["object"]["id"], intent.0);
        let code = Some("payment_intent_unexpected_state");
        let path = format!("/v1/payment_intents/{}/cancel", intent.0);
        let refused = shop.server(Method::POST, &path, &[]).await;
        refused.is_error(400, "invalid_request_error", code);
        assert_eq!(refused.body["error"]["payment_intent"]["status"], "processing");
        shop.pay(&intent, "pm_card_visa").await.is_error(400, "invalid_request_error", code);

        let path = format!("/sandbox/payment_intents/{}/settle", intent.0);
        let settled = shop.switch(&path, &json!({ "paid": paid })).await;
        assert_eq!(settled.text("status"), status);
        webhook.next_of(told).await;
        let again = shop.switch(&path, &json!({ "paid": true })).await;
        again.is_error(400, "invalid_request_error", code);
    }
}

#[tokio::test]
async fn a_cancelled_intent_is_told() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    let (id, _) = shop.intent().await;
    shop.server(Method::POST, &format!("/v1/payment_intents/{id}/cancel"), &[]).await;
    webhook.next_of("payment_intent.canceled").await;
}

#[tokio::test]
async fn a_webhook_is_tried_again_until_it_is_taken() {
    let mut webhook = Webhook::answering(&[500, 302, 404]).await;
    let shop = Shop::with(impatient(vec![webhook.target()])).await;
    shop.intent().await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(webhook.next().await.event["id"].clone());
    }
    events.dedup();
    assert_eq!(events.len(), 1, "one event, four attempts");
    let event = events[0].as_str().unwrap();
    let statuses = wait_for_deliveries(&shop, event, 4).await;
    assert_eq!(statuses, [500, 302, 404, 200]);
    let kept = shop.server(Method::GET, &format!("/v1/events/{event}"), &[]).await;
    assert_eq!(kept.body["pending_webhooks"], 0);
}

/// The statuses of all attempts for an event, once there are `count`: the record of an attempt
/// follows its answer.
async fn wait_for_deliveries(shop: &Shop, event: &str, count: usize) -> Vec<u64> {
    let url = format!("{}/sandbox/deliveries?event={event}", shop.sandbox.base_url());
    tokio::time::timeout(crate::support::DEADLINE, async {
        loop {
            let text = shop.client.get(&url).send().await.unwrap().text().await.unwrap();
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            let data = answer["data"].as_array().unwrap();
            if data.len() >= count {
                return data.iter().map(|d| d["status"].as_u64().unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn endpoints_choose_their_events_and_rotate_their_secrets() {
    let mut all = Webhook::open().await;
    let mut chosen = Webhook::open().await;
    let shop = Shop::with(impatient(vec![
        all.target(),
        WebhookTarget {
            url: chosen.url.clone(),
            secrets: vec!["whsec_old".to_owned(), "whsec_new".to_owned()],
            events: vec!["payment_intent.succeeded".to_owned()],
        },
    ]))
    .await;
    shop.paid_intent("pm_card_visa").await;
    let paid = chosen.next().await;
    assert_eq!(paid.kind(), "payment_intent.succeeded");
    assert_eq!(paid.signature.matches("v1=").count(), 2);
    assert_eq!(all.next_of("payment_intent.succeeded").await.event["id"], paid.event["id"]);
}

#[tokio::test]
async fn endpoints_can_be_added_and_removed_over_the_api() {
    let mut webhook = Webhook::open().await;
    let shop = Shop::with(impatient(vec![])).await;
    let form = [("url", webhook.url.as_str()), ("enabled_events[]", "*")];
    let made = shop.server(Method::POST, "/v1/webhook_endpoints", &form).await;
    let secret = made.text("secret");
    assert!(secret.starts_with("whsec_"));
    shop.intent().await;
    let arrival = webhook.next().await;
    let timestamp = arrival.signature[2..].split(',').next().unwrap().parse().unwrap();
    assert_eq!(arrival.signature, signature::header(&[secret], timestamp, &arrival.raw));

    let path = format!("/v1/webhook_endpoints/{}", made.text("id"));
    let deleted = shop.server(Method::DELETE, &path, &[]).await;
    assert_eq!(deleted.body["deleted"], true);
    let listed = shop.server(Method::GET, "/v1/webhook_endpoints", &[]).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 0);
}
