//! What is believed, and how often.

use axum::http::StatusCode;
use chrono::TimeDelta;
use kernel::Clock as _;
use serde_json::json;

use crate::provider::{WEBHOOK_SECRET, event};
use crate::support::World;

#[tokio::test]
async fn a_message_is_stored_once_and_answered_each_time() {
    let world = World::new().await;
    let (_, payment) = world.pending(world.person(), &[1]).await;
    world.take_events().await;
    let paid = world.provider.pay(&payment.intent);
    for _ in 0..3 {
        world.webhook(&paid).await;
    }
    assert_eq!(world.told().await, ["payment.succeeded"]);
    assert_eq!(world.rows("select 1 from booking.provider_events").await.len(), 1);
}

#[tokio::test]
async fn only_a_fresh_message_with_a_good_signature_is_believed() {
    let world = World::new().await;
    let (_, payment) = world.pending(world.person(), &[1]).await;
    world.take_events().await;
    let paid = world.provider.pay(&payment.intent);
    let now = world.clock.now();
    let refused = StatusCode::BAD_REQUEST;
    assert_eq!(world.webhook_at(&paid, now, "whsec_other").await, refused);
    assert_eq!(world.webhook_at(&paid, now - TimeDelta::seconds(301), WEBHOOK_SECRET).await, refused);
    assert_eq!(world.webhook_at(&paid, now + TimeDelta::seconds(301), WEBHOOK_SECRET).await, refused);
    assert_eq!(world.webhook_raw(None, paid.to_string()).await, refused);
    assert_eq!(world.webhook_raw(Some("t=1,v1=zz"), paid.to_string()).await, refused);
    assert!(world.told().await.is_empty());
    assert_eq!(world.webhook_at(&paid, now - TimeDelta::seconds(300), WEBHOOK_SECRET).await, StatusCode::OK);
}

#[tokio::test]
async fn during_a_rotation_both_secrets_are_good() {
    let world =
        World::with(|config| config.payments.webhook_secrets = vec!["whsec_new".into(), "whsec_old".into()])
            .await;
    let (_, payment) = world.pending(world.person(), &[1]).await;
    let paid = world.provider.pay(&payment.intent);
    let now = world.clock.now();
    assert_eq!(world.webhook_at(&paid, now, "whsec_old").await, StatusCode::OK);
    assert_eq!(world.webhook_at(&paid, now, "whsec_new").await, StatusCode::OK);
    assert_eq!(world.webhook_at(&paid, now, WEBHOOK_SECRET).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_does_not_concern_us_is_answered_and_left_alone() {
    let world = World::new().await;
    world.webhook(&event("customer.created", &json!({ "id": "cus_1" }))).await;
    let foreign =
        json!({ "id": "pi_x", "status": "succeeded", "amount": 1, "currency": "eur", "metadata": {} });
    world.webhook(&event("payment_intent.succeeded", &foreign)).await;
    assert!(world.told().await.is_empty());
    let status = world.webhook_at(&json!({ "not": "an event" }), world.clock.now(), WEBHOOK_SECRET).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let world = World::new().await;
    let body = "x".repeat(300 * 1024);
    assert_eq!(world.webhook_raw(Some("t=1,v1=00"), body).await, StatusCode::PAYLOAD_TOO_LARGE);
}
