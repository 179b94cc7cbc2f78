//! Giving a booking back.

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{Stack, eventually, mail};

fn amount(money: &Value) -> Decimal {
    money["amount"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no amount: {money}"))
}

#[tokio::test]
async fn a_day_before_all_money_comes_back() {
    let stack = Stack::start().await;
    let show = stack.show_in(TimeDelta::hours(25)).await;
    let ada = stack.customer("Ada").await;
    let booking = ada.buy(&stack, &show, &show.pick([0, 1])).await;
    let id = booking["id"].as_str().expect("an id");
    let mut map = stack.watch(&ada.client, &show).await;
    map.until("sold seats", |map| map.state(0) == 'S').await;

    let cancelled = ada.cancel(id).await.ok();
    assert_eq!(cancelled["booking"]["id"], id);
    assert_eq!(cancelled["refund"]["amount"], booking["total"]);
    map.until("free seats", |map| map.state(0) == 'A' && map.state(1) == 'A').await;

    // Asking again gives the same refund, and no second one.
    let again = ada.cancel(id).await.ok();
    assert_eq!(again["refund"]["id"], cancelled["refund"]["id"]);
    let refunded = ada.booking_in(id, "REFUNDED").await;
    assert_eq!(refunded["refunds"].as_array().map(Vec::len), Some(1));
    assert_eq!(refunded["refunds"][0]["status"], "SUCCEEDED");
    let last = ada.cancel(id).await.ok();
    assert_eq!(last["refund"]["id"], cancelled["refund"]["id"]);
    let at_provider = stack.sandbox().get("/v1/refunds").await;
    assert_eq!(at_provider["data"].as_array().map(Vec::len), Some(1));
    eventually("confirmation, cancellation and refund are in the mail", async || {
        (mail::to(&stack.mail_dir(), &ada.email).len() == 3).then_some(())
    })
    .await;

    // The seats can be sold again, and her tickets are void.
    stack.customer("Bob").await.buy(&stack, &show, &show.pick([0, 1])).await;
    assert_eq!(ada.booking(id).await["tickets"], json!([]));
}

#[tokio::test]
async fn on_the_day_half_comes_back() {
    let stack = Stack::start().await;
    let show = stack.show_in(TimeDelta::hours(5)).await;
    let ada = stack.customer("Ada").await;
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    let cancelled = ada.cancel(booking["id"].as_str().expect("an id")).await.ok();
    let (half, whole) = (amount(&cancelled["refund"]["amount"]), amount(&booking["total"]));
    // Half a minor unit is rounded up.
    assert!(half * Decimal::TWO - whole <= Decimal::new(1, whole.scale()) && half * Decimal::TWO >= whole);
}

#[tokio::test]
async fn just_before_the_show_it_is_too_late() {
    let stack = Stack::start().await;
    let show = stack.show_in(TimeDelta::minutes(90)).await;
    let ada = stack.customer("Ada").await;
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    let id = booking["id"].as_str().expect("an id");
    let refusal = ada.cancel(id).await;
    assert_eq!(refusal.code(), "CANCELLATION_CLOSED");
    assert_eq!(ada.booking(id).await["status"], "CONFIRMED");
    assert_eq!(stack.seat_states(&show).await.2.chars().next(), Some('S'));
}

#[tokio::test]
async fn nobody_cancels_what_is_not_theirs() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    bob.cancel(booking["id"].as_str().expect("an id")).await.refused("NotFoundError");
    assert_eq!(ada.booking(booking["id"].as_str().expect("an id")).await["status"], "CONFIRMED");
}
