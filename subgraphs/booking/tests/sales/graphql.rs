//! The operations that clients use.

use serde_json::{Value, json};

use crate::support::World;

const CHECKOUT: &str = "mutation Checkout($input: CheckoutInput!) {
    checkout(input: $input) {
        booking { id reference status total { amount currency } expiresAt }
        payment { id provider providerIntentId clientSecret payUrl status }
        userErrors { __typename message code path ... on SeatsUnavailableError { seatIds } }
    }
}";
const CANCEL: &str = "mutation CancelBooking($input: CancelBookingInput!) {
    cancelBooking(input: $input) {
        booking { id status }
        refund { id amount { amount currency } status }
        userErrors { __typename message code path ... on CancellationClosedError { closedAt } }
    }
}";
const BOOKING: &str = "query Booking($id: ID!) {
    booking(id: $id) {
        id reference status total { amount currency }
        show { id }
        seats { id label kind price { amount currency } }
        tickets { id seat { id label } code qrSvg }
        payment { clientSecret }
        refunds { id amount { amount currency } status }
    }
}";

fn ok(answer: &Value) -> &Value {
    assert_eq!(answer.get("errors"), None, "{answer}");
    &answer["data"]
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn from_checkout_to_ticket_to_refund() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[0, 9]).await;
    let input = json!({ "input": { "holdId": hold.to_string(), "idempotencyKey": "k" } });
    let answer = world.post(Some(user), CHECKOUT, input).await;
    let payload = &ok(&answer)["checkout"];
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["booking"]["status"], "PENDING_PAYMENT");
    assert_eq!(payload["booking"]["total"], json!({ "amount": "27.50", "currency": "EUR" }));
    assert!(payload["booking"]["expiresAt"].is_string());
    let intent = payload["payment"]["providerIntentId"].as_str().unwrap();
    assert_eq!(payload["payment"]["status"], "REQUIRES_PAYMENT");
    assert_eq!(
        payload["payment"]["payUrl"],
        format!("http://pay.test/pay/{intent}?client_secret={intent}_secret")
    );
    world.webhook(&world.provider.pay(intent)).await;
    world.deliver().await;

    let id = json!({ "id": payload["booking"]["id"] });
    let answer = world.post(Some(user), BOOKING, id.clone()).await;
    let booking = &ok(&answer)["booking"];
    assert_eq!((&booking["status"], &booking["show"]["id"]), (&json!("CONFIRMED"), &json!(world.show_id())));
    assert_eq!((&booking["seats"][0]["label"], &booking["seats"][1]["label"]), (&json!("A1"), &json!("B2")));
    assert_eq!(booking["seats"][1]["price"]["amount"], "15.50");
    assert_eq!(booking["payment"], json!({ "clientSecret": null }), "there is nothing left to pay");
    let ticket = &booking["tickets"][0];
    assert_eq!(ticket["seat"]["id"], booking["seats"][0]["id"]);
    assert!(ticket["code"].as_str().unwrap().starts_with("M1."));
    assert!(ticket["qrSvg"].as_str().unwrap().contains("<svg"));

    let input = json!({ "input": { "bookingId": id["id"], "idempotencyKey": "c" } });
    let answer = world.post(Some(user), CANCEL, input).await;
    let payload = &ok(&answer)["cancelBooking"];
    assert_eq!(
        (&payload["booking"]["status"], &payload["refund"]["status"]),
        (&json!("CANCELLED"), &json!("PENDING"))
    );
    world.deliver().await;
    let answer = world.post(Some(user), BOOKING, id).await;
    let booking = &ok(&answer)["booking"];
    assert_eq!((&booking["status"], &booking["tickets"]), (&json!("REFUNDED"), &json!([])));
    assert_eq!(booking["refunds"][0]["amount"], json!({ "amount": "27.50", "currency": "EUR" }));
}

#[tokio::test]
async fn refusals_are_data_with_a_type_and_a_code() {
    let world = World::new().await;
    let user = world.person();
    let refused = async |input: Value| {
        let answer = world.post(Some(user), CHECKOUT, json!({ "input": input })).await;
        let payload = ok(&answer)["checkout"].clone();
        assert_eq!(payload["booking"], Value::Null);
        let error = &payload["userErrors"][0];
        (error["__typename"].as_str().unwrap().to_owned(), error["code"].as_str().unwrap().to_owned())
    };
    let typed = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let nonsense = json!({ "holdId": "hold_x", "idempotencyKey": "k" });
    assert_eq!(refused(nonsense).await, typed("NotFoundError", "NOT_FOUND"));
    let gone = kernel::HoldId::new(world.show_id(), 7).to_string();
    let expired = json!({ "holdId": gone, "idempotencyKey": "k" });
    assert_eq!(refused(expired).await, typed("HoldExpiredError", "HOLD_EXPIRED"));
    let no_key = json!({ "holdId": gone, "idempotencyKey": "" });
    assert_eq!(refused(no_key).await, typed("InvalidInputError", "INVALID_INPUT"));
    let first = world.hold(user, &[1]).await.to_string();
    world.post(Some(user), CHECKOUT, json!({ "input": { "holdId": first, "idempotencyKey": "k" } })).await;
    let second = world.hold(user, &[2]).await.to_string();
    let reused = json!({ "holdId": second, "idempotencyKey": "k" });
    assert_eq!(refused(reused).await, typed("ConflictError", "IDEMPOTENCY_KEY_REUSED"));
}

#[tokio::test]
async fn a_booking_stays_while_its_payment_cannot_be_made() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    world.provider.state().broken = Some(503);
    let input = json!({ "input": { "holdId": hold.to_string(), "idempotencyKey": "k" } });
    let answer = world.post(Some(user), CHECKOUT, input).await;
    let payload = &ok(&answer)["checkout"];
    assert_eq!(payload["booking"]["status"], "PENDING_PAYMENT");
    assert_eq!(payload["payment"], Value::Null);
    assert_eq!(payload["userErrors"][0]["__typename"], "PaymentUnavailableError");
}

#[tokio::test]
async fn strangers_see_nothing_and_learn_nothing() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    let id = json!({ "id": booking.id.to_string() });
    let stranger = world.post(Some(world.person()), BOOKING, id.clone()).await;
    assert_eq!(ok(&stranger)["booking"], Value::Null);
    let staff = world.post_as(Some(world.person()), &["STAFF"], BOOKING, id.clone()).await;
    assert_eq!(ok(&staff)["booking"]["id"], booking.id.to_string());
    assert_eq!(staff["data"]["booking"]["payment"], Value::Null, "how to pay is for the buyer only");
    assert_eq!(code(&world.post(None, BOOKING, id.clone()).await), "UNAUTHENTICATED");
    let input = json!({ "input": { "bookingId": id["id"], "idempotencyKey": "c" } });
    assert_eq!(code(&world.post(None, CANCEL, input.clone()).await), "UNAUTHENTICATED");
    let thief = world.post(Some(world.person()), CANCEL, input).await;
    assert_eq!(ok(&thief)["cancelBooking"]["userErrors"][0]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn too_late_to_cancel_says_until_when() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    world.before_show(chrono::TimeDelta::hours(1)).await;
    let input = json!({ "input": { "bookingId": booking.id.to_string(), "idempotencyKey": "c" } });
    let answer = world.post(Some(user), CANCEL, input).await;
    let error = &ok(&answer)["cancelBooking"]["userErrors"][0];
    assert_eq!(
        (&error["__typename"], &error["code"]),
        (&json!("CancellationClosedError"), &json!("CANCELLATION_CLOSED"))
    );
    let closed: chrono::DateTime<chrono::Utc> = error["closedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(closed, world.show.starts_at - chrono::TimeDelta::hours(2));
}

#[tokio::test]
async fn ticket_keys_are_public() {
    let world = World::new().await;
    let answer = world.post(None, "{ ticketKeys { id algorithm publicKey } }", json!({})).await;
    let keys = ok(&answer)["ticketKeys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["id"], world.app.tickets.public_keys()[0].id().to_string());
}

#[tokio::test]
async fn without_postgresql_everything_is_refused_clearly() {
    let world = World::without_pg().await;
    let user = Some(world.person());
    let id = kernel::BookingId::new(world.show_id(), 1).to_string();
    let cancel = json!({ "input": { "bookingId": id, "idempotencyKey": "c" } });
    assert_eq!(code(&world.post(user, CANCEL, cancel).await), "UNAVAILABLE");
    assert_eq!(code(&world.post(user, BOOKING, json!({ "id": id })).await), "UNAVAILABLE");
}
