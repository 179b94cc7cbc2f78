//! The page on which a person plays the buyer.

use reqwest::{Method, Response};

use crate::support::Shop;

async fn press(shop: &Shop, (id, secret): &(String, String), name: &str, value: &str) -> Response {
    let url = format!("{}/pay/{id}", shop.sandbox.base_url());
    let form = [("client_secret", secret.as_str()), (name, value)];
    shop.client.post(url).form(&form).send().await.unwrap()
}

#[tokio::test]
async fn a_person_is_declined_then_pays() {
    let shop = Shop::open().await;
    let intent = shop.intent().await;
    let url = format!("{}/pay/{}", shop.sandbox.base_url(), intent.0);
    let query = [("client_secret", intent.1.as_str()), ("return_url", "https://shop.test/done")];
    let page = shop.client.get(&url).query(&query).send().await.unwrap();
    assert!(page.headers().contains_key("content-security-policy"));
    let text = page.text().await.unwrap();
    assert!(text.contains("Pay 12.50 EUR") && text.contains("https://shop.test/done"), "{text}");

    let declined = press(&shop, &intent, "payment_method", "pm_card_chargeDeclined").await;
    assert!(declined.text().await.unwrap().contains("Your card was declined."));
    let paid = press(&shop, &intent, "payment_method", "pm_card_visa").await;
    assert!(paid.text().await.unwrap().contains("Paid."));
}

#[tokio::test]
async fn the_bank_asks_and_the_person_answers() {
    let shop = Shop::open().await;
    for (answer, status) in [("approve", "succeeded"), ("refuse", "requires_payment_method")] {
        let intent = shop.intent().await;
        let waiting = shop.pay(&intent, "pm_card_authenticationRequired").await;
        assert_eq!(waiting.text("status"), "requires_action");
        let bank = waiting.body["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
        let page = shop.client.get(bank).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Your bank asks"), "{page}");
        press(&shop, &intent, "bank", answer).await;
        let after = shop.server(Method::GET, &format!("/v1/payment_intents/{}", intent.0), &[]).await;
        assert_eq!(after.text("status"), status);
    }
}

#[tokio::test]
async fn a_stranger_sees_nothing() {
    let shop = Shop::open().await;
    let (id, _) = shop.intent().await;
    let url = format!("{}/pay/{id}?client_secret=guess", shop.sandbox.base_url());
    let page = shop.client.get(url).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 400);
    assert!(!page.text().await.unwrap().contains("12.50"));
}
