//! A restart with a journal.

use std::{fs::OpenOptions, io::Write};

use paysim::PaysimConfig;
use reqwest::Method;

use crate::support::{Shop, Webhook, impatient};

const INTENTS: &str = "/v1/payment_intents";
const FORM: &[(&str, &str)] = &[("amount", "1250"), ("currency", "eur")];

#[tokio::test]
async fn a_restart_keeps_intents_refunds_and_idempotency_keys() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("state/journal.jsonl");
    let config = || PaysimConfig { journal: Some(journal.clone()), ..PaysimConfig::default() };

    let shop = Shop::with(config()).await;
    let first = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    let paid = shop.paid_intent("pm_card_visa").await;
    let refund = shop.server(Method::POST, "/v1/refunds", &[("payment_intent", paid.as_str())]).await;
    shop.sandbox.stop().await;
    // A kill in the middle of a write leaves half a line.
    let mut file = OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"{\"object\":\"intent\",\"val").unwrap();

    let shop = Shop::with(config()).await;
    let again = shop.keyed(Method::POST, INTENTS, FORM, Some("key-1")).await;
    assert_eq!(again.body, first.body);
    let intent = shop.server(Method::GET, &format!("{INTENTS}/{paid}"), &[]).await;
    assert_eq!(intent.text("status"), "succeeded");
    let kept = shop.server(Method::GET, &format!("/v1/refunds/{}", refund.text("id")), &[]).await;
    assert_eq!(kept.body, refund.body);
    let listed = shop.server(Method::GET, INTENTS, &[]).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_that_nobody_took_is_sent_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Some(folder.path().join("journal.jsonl"));
    let mut deaf = Webhook::answering(&[500; 1000]).await;
    let shop = Shop::with(PaysimConfig { journal: journal.clone(), ..impatient(vec![deaf.target()]) }).await;
    shop.intent().await;
    let event = deaf.next().await.event["id"].clone();
    shop.sandbox.stop().await;

    let shop = Shop::with(PaysimConfig { journal, ..impatient(vec![]) }).await;
    assert_eq!(deaf.next_of("payment_intent.created").await.event["id"], event);
    shop.sandbox.stop().await;
}
