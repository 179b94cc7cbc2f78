//! Wrong input of every kind to every mutation: a typed answer, and nothing changes.

use serde_json::{Value, json};
use tests::{
    Customer, Show, Stack,
    people::{key, mutate},
};

/// Sends `input` and expects a refusal as data that points at a field, or a top-level
/// `BAD_USER_INPUT` where the type system itself refuses.
async fn refused(person: &Customer, operation: &str, field: &str, input: Value) {
    let reply = person.client.call(operation, json!({ "input": input })).await.expect("an answer");
    if let Some(code) = reply.error_code() {
        assert_eq!(code, "BAD_USER_INPUT", "{field} {input}: {reply:?}");
        return;
    }
    assert_eq!(reply.errors, Vec::<Value>::new(), "{field} {input}: an error without a code");
    let errors = reply.data[field]["userErrors"].as_array().cloned().unwrap_or_default();
    assert!(!errors.is_empty(), "{field} accepted {input}: {}", reply.data);
    for error in errors {
        assert_ne!(error["code"].as_str().unwrap_or_default(), "", "{field} {input}: {error}");
        assert_ne!(error["message"].as_str().unwrap_or_default(), "", "{field} {input}: {error}");
    }
}

async fn seats_of(stack: &Stack, show: &Show) -> String {
    stack.seat_states(show).await.2
}

#[tokio::test]
async fn seats_that_cannot_be_held() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let other = stack.seeded_show().await;
    let ada = stack.customer("Ada").await;
    let before = seats_of(&stack, &show).await;
    let twelve: Vec<&str> = show.seats[..12].iter().map(String::as_str).collect();
    let hold = |show_id: &str, seat_ids: Value, key: &str| json!({ "showId": show_id, "seatIds": seat_ids, "idempotencyKey": key });
    let long_key = "k".repeat(300);
    let inputs = [
        hold(&show.id, json!([]), &key()),
        hold(&show.id, json!(twelve), &key()),
        hold(&show.id, json!([show.seats[0], show.seats[0]]), &key()),
        hold(&show.id, json!(["nonsense"]), &key()),
        hold(&show.id, json!(["seat_7zzzzzzzzzzzzzzzzzzzzzzzzz"]), &key()),
        hold(&show.id, json!([other.seats[0]]), &key()),
        hold("show_7zzzzzzzzzzzzzzzzzzzzzzzzz", json!([show.seats[0]]), &key()),
        hold("nonsense", json!([show.seats[0]]), &key()),
        hold(&ada.id, json!([show.seats[0]]), &key()),
        hold(&show.id, json!([show.seats[0]]), ""),
        hold(&show.id, json!([show.seats[0]]), &long_key),
        json!({ "showId": show.id, "seatIds": [show.seats[0]] }),
        json!({ "showId": show.id, "seatIds": 7, "idempotencyKey": key() }),
        json!({}),
    ];
    for input in inputs {
        refused(&ada, "HoldSeats", "holdSeats", input).await;
    }
    let best = |quantity: Value, kind: Value| json!({ "showId": show.id, "quantity": quantity, "kind": kind, "idempotencyKey": key() });
    for input in [
        best(json!(0), json!(null)),
        best(json!(-1), json!(null)),
        best(json!(11), json!(null)),
        best(json!("many"), json!(null)),
        best(json!(2), json!("SOFA")),
    ] {
        refused(&ada, "HoldBestAvailable", "holdBestAvailable", input).await;
    }
    assert_eq!(seats_of(&stack, &show).await, before);
}

#[tokio::test]
async fn holds_and_bookings_that_are_none() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold = ada.hold(&show, &show.pick([0])).await.ok();
    let before = seats_of(&stack, &show).await;
    let hold_id = hold["hold"]["id"].as_str().expect("an id");
    let unknown = format!("{}0000000000000", &hold_id[..hold_id.len() - 13]);
    for id in ["", "nonsense", &show.id, &unknown] {
        refused(&ada, "ExtendHold", "extendHold", json!({ "holdId": id })).await;
        refused(&ada, "ReleaseHold", "releaseHold", json!({ "holdId": id })).await;
        refused(&ada, "Checkout", "checkout", json!({ "holdId": id, "idempotencyKey": key() })).await;
        refused(&ada, "CancelBooking", "cancelBooking", json!({ "bookingId": id, "idempotencyKey": key() }))
            .await;
    }
    refused(&ada, "Checkout", "checkout", json!({ "holdId": hold_id, "idempotencyKey": "" })).await;
    refused(&ada, "Checkout", "checkout", json!({ "holdId": hold_id })).await;
    let booking_id = unknown.replace("hold_", "booking_");
    refused(
        &ada,
        "CancelBooking",
        "cancelBooking",
        json!({ "bookingId": booking_id, "idempotencyKey": key() }),
    )
    .await;
    assert_eq!(seats_of(&stack, &show).await, before);
}

#[tokio::test]
async fn accounts_that_cannot_be() {
    let stack = Stack::start().await;
    let nobody = Customer { client: stack.visitor(), email: String::new(), id: String::new() };
    let long = "x".repeat(2_000);
    let account = |email: &str, password: &str, name: &str| json!({ "email": email, "password": password, "name": name });
    for input in [
        account("", "long enough indeed", "Ada"),
        account("nonsense", "long enough indeed", "Ada"),
        account("a@b@c.org", "long enough indeed", "Ada"),
        account("ada@example.org", "", "Ada"),
        account("ada@example.org", "short", "Ada"),
        account("ada@example.org", &long, "Ada"),
        account("ada@example.org", "long enough indeed", ""),
        account("ada@example.org", "long enough indeed", "   "),
        account("ada@example.org", "long enough indeed", &long),
        account(&format!("{long}@example.org"), "long enough indeed", "Ada"),
        json!({ "email": "ada@example.org" }),
        json!({ "email": 7, "password": [], "name": null }),
    ] {
        refused(&nobody, "SignUp", "signUp", input).await;
    }
    for input in
        [json!({ "email": "", "password": "" }), json!({ "email": "ada@example.org", "password": long })]
    {
        refused(&nobody, "LogIn", "logIn", input).await;
    }
    // The address was never taken.
    let input = account("ada@example.org", "long enough indeed", "Ada");
    mutate(&nobody.client, "SignUp", "signUp", input).await.ok();
}

#[tokio::test]
async fn limits_of_one_person() {
    let stack = Stack::start().await;
    let ada = stack.customer("Ada").await;
    let show = stack.show().await;
    let eight: Vec<&str> = show.seats[..8].iter().map(String::as_str).collect();
    ada.hold(&show, &eight).await.ok();
    let refusal = ada.hold(&show, &show.pick([8, 9, 10])).await.refused("LimitExceededError");
    assert_ne!(refusal["message"], "");
    ada.hold(&show, &show.pick([8, 9])).await.ok();
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..11], "HHHHHHHHHHA");
}
