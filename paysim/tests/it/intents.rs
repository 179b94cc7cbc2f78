//! Payment intents.

use paysim::PaysimConfig;
use reqwest::{Client, Method};
use serde_json::json;

use crate::support::{Answer, Shop};

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn a_new_intent_has_the_shape_that_stripe_gives_it() {
    let shop = Shop::open().await;
    let intent = shop
        .server(
            Method::POST,
            INTENTS,
            &[
                ("amount", "1250"),
                ("currency", "EUR"),
                ("metadata[booking_id]", "booking_1"),
                ("automatic_payment_methods[enabled]", "true"),
                ("description", "Two seats"),
            ],
        )
        .await;
    assert_eq!(intent.status, 200);
    assert!(intent.text("id").starts_with("pi_"));
    assert!(intent.text("client_secret").starts_with(&format!("{}_secret_", intent.text("id"))));
    for (field, value) in [
        ("object", json!("payment_intent")),
        ("amount", json!(1250)),
        ("amount_received", json!(0)),
        ("currency", json!("eur")),
        ("status", json!("requires_payment_method")),
        ("metadata", json!({"booking_id": "booking_1"})),
        ("description", json!("Two seats")),
        ("livemode", json!(false)),
        ("latest_charge", json!(null)),
    ] {
        assert_eq!(intent.body[field], value, "{field}");
    }
    assert!(intent.headers["request-id"].to_str().unwrap().starts_with("req_"));
    assert!(intent.headers.contains_key("stripe-version"));

    let again = shop.server(Method::GET, &format!("{INTENTS}/{}", intent.text("id")), &[]).await;
    assert_eq!(again.body, intent.body);
}

#[tokio::test]
async fn a_buyer_pays_from_the_browser_with_the_client_secret_alone() {
    let shop = Shop::open().await;
    let intent = shop.intent().await;
    let paid = shop.pay(&intent, "pm_card_visa").await;
    assert_eq!((paid.status, paid.text("status").as_str()), (200, "succeeded"));
    assert!(paid.body.get("metadata").is_none(), "a browser sees no metadata");

    let path = format!("{INTENTS}/{}", intent.0);
    let full = shop.server(Method::GET, &path, &[("expand[]", "latest_charge")]).await;
    assert_eq!(full.body["amount_received"], 1250);
    assert_eq!(full.body["latest_charge"]["status"], "succeeded");
    assert!(full.text("payment_method").starts_with("pm_"));

    let twice = shop.pay(&intent, "pm_card_visa").await;
    twice.is_error(400, "invalid_request_error", Some("payment_intent_unexpected_state"));
    assert_eq!(twice.body["error"]["payment_intent"]["status"], "succeeded");
}

#[tokio::test]
async fn a_declined_card_leaves_the_intent_open_for_another() {
    let shop = Shop::open().await;
    let intent = shop.intent().await;
    let check = async |method: &str, code: &str, decline_code: Option<&str>| {
        let declined = shop.pay(&intent, method).await;
        declined.is_error(402, "card_error", Some(code));
        assert_eq!(declined.body["error"]["decline_code"].as_str(), decline_code, "{method}");
        let open = &declined.body["error"]["payment_intent"];
        assert_eq!(open["status"], "requires_payment_method");
        assert_eq!(open["last_payment_error"]["code"], code);
    };
    check("pm_card_chargeDeclined", "card_declined", Some("generic_decline")).await;
    check("pm_card_visa_chargeDeclined", "card_declined", Some("generic_decline")).await;
    check("pm_card_chargeDeclinedInsufficientFunds", "card_declined", Some("insufficient_funds")).await;
    check("pm_card_chargeDeclinedExpiredCard", "expired_card", None).await;
    let paid = shop.pay(&intent, "pm_card_visa").await;
    assert_eq!(paid.text("status"), "succeeded");
    assert_eq!(paid.body["last_payment_error"], json!(null));
}

#[tokio::test]
async fn a_wrong_secret_opens_nothing() {
    let shop = Shop::open().await;
    let (id, _) = shop.intent().await;
    let other = (id.clone(), "pi_x_secret_y".to_owned());
    shop.pay(&other, "pm_card_visa").await.is_error(
        400,
        "invalid_request_error",
        Some("payment_intent_invalid_parameter"),
    );
    shop.browser(&format!("{INTENTS}/{id}/confirm"), &[("payment_method", "pm_card_visa")]).await.is_error(
        400,
        "invalid_request_error",
        Some("parameter_missing"),
    );
    let state = shop.server(Method::GET, &format!("{INTENTS}/{id}"), &[]).await;
    assert_eq!(state.text("status"), "requires_payment_method");
}

#[tokio::test]
async fn an_open_intent_can_be_cancelled_a_paid_one_cannot() {
    let shop = Shop::open().await;
    let intent = shop.intent().await;
    let path = format!("{INTENTS}/{}/cancel", intent.0);
    let form = [("cancellation_reason", "abandoned")];
    let cancelled = shop.server(Method::POST, &path, &form).await;
    assert_eq!(cancelled.text("status"), "canceled");
    assert_eq!(cancelled.text("cancellation_reason"), "abandoned");
    let late = shop.pay(&intent, "pm_card_visa").await;
    late.is_error(400, "invalid_request_error", Some("payment_intent_unexpected_state"));

    let paid = shop.paid_intent("pm_card_visa").await;
    shop.server(Method::POST, &format!("{INTENTS}/{paid}/cancel"), &[]).await.is_error(
        400,
        "invalid_request_error",
        Some("payment_intent_unexpected_state"),
    );
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let shop = Shop::open().await;
    let check = async |form: &[(&str, &str)], code: Option<&str>, param: &str| {
        let refused = shop.server(Method::POST, INTENTS, form).await;
        refused.is_error(400, "invalid_request_error", code);
        assert_eq!(refused.body["error"]["param"], param);
    };
    check(&[("currency", "eur")], Some("parameter_missing"), "amount").await;
    check(&[("amount", "1250")], Some("parameter_missing"), "currency").await;
    check(&[("amount", "12.50"), ("currency", "eur")], Some("parameter_invalid_integer"), "amount").await;
    check(&[("amount", "10"), ("currency", "eur")], Some("amount_too_small"), "amount").await;
    check(&[("amount", "100000000"), ("currency", "eur")], Some("amount_too_large"), "amount").await;
    check(&[("amount", "1250"), ("currency", "xyz")], None, "currency").await;
    check(
        &[("amount", "1250"), ("currency", "eur"), ("card[number]", "4242424242424242")],
        Some("parameter_unknown"),
        "card",
    )
    .await;
    let listed = shop.server(Method::GET, INTENTS, &[]).await;
    assert_eq!(listed.body["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn only_the_right_key_opens_the_server_side() {
    let shop = Shop::with(PaysimConfig {
        secret_key: Some("sk_test_shop".to_owned()),
        publishable_key: Some("pk_test_shop".to_owned()),
        ..PaysimConfig::default()
    })
    .await;
    let url = format!("{}{INTENTS}", shop.sandbox.base_url());
    let check = async |request: reqwest::RequestBuilder, status: u16| {
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    let client = Client::builder().no_proxy().build().unwrap();
    check(client.get(&url), 401).await;
    check(client.get(&url).bearer_auth("sk_test_other"), 401).await;
    check(client.get(&url).bearer_auth("sk_live_real"), 401).await;
    check(client.get(&url).bearer_auth(shop.sandbox.publishable_key()), 401).await;
    check(client.get(&url).bearer_auth(shop.sandbox.secret_key()), 200).await;
    check(client.get(&url).basic_auth(shop.sandbox.secret_key(), Some("")), 200).await;
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.intent().await.0);
    }
    ids.reverse();
    let page = async |form: &[(&str, &str)]| {
        let list = shop.server(Method::GET, INTENTS, form).await;
        let data = list.body["data"].as_array().unwrap().clone();
        let ids: Vec<_> = data.iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
        (ids, list.body["has_more"] == true)
    };
    assert_eq!(page(&[("limit", "2")]).await, (ids[..2].to_vec(), true));
    assert_eq!(page(&[("limit", "2"), ("starting_after", &ids[1])]).await, (ids[2..4].to_vec(), true));
    assert_eq!(page(&[("starting_after", &ids[3])]).await, (ids[4..].to_vec(), false));
    assert_eq!(page(&[("limit", "1"), ("ending_before", &ids[2])]).await, (ids[1..2].to_vec(), true));
    let whole = shop.server(Method::GET, INTENTS, &[("expand[]", "data.latest_charge")]).await;
    assert_eq!(whole.body["data"].as_array().map(Vec::len), Some(5), "{:?}", whole.body);
    assert_eq!(page(&[("created[lt]", "5")]).await, (vec![], false));
    assert_eq!(page(&[("created[gte]", "5")]).await.0.len(), 5);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let shop = Shop::open().await;
    shop.server(Method::GET, "/v1/payment_intents/pi_none", &[]).await.is_error(
        404,
        "invalid_request_error",
        Some("resource_missing"),
    );
    let nowhere = shop.server(Method::GET, "/v1/customers", &[]).await;
    nowhere.is_error(404, "invalid_request_error", None);
    assert!(nowhere.body["error"]["message"].as_str().unwrap().contains("/v1/customers"));
}

#[tokio::test]
async fn a_browser_of_any_origin_may_pay() {
    let shop = Shop::open().await;
    let url = format!("{}{INTENTS}/pi_1/confirm", shop.sandbox.base_url());
    let answer = shop
        .client
        .request(Method::OPTIONS, url)
        .header("origin", "https://shop.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,idempotency-key")
        .send()
        .await
        .unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-headers"), "authorization,idempotency-key");
}
