//! Two people want the same seats.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use tests::{Stack, eventually, http, mail, sandbox::GOOD_CARD};

#[tokio::test]
async fn one_buys_and_the_other_sees_it_happen() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let mut adas_map = stack.watch(&ada.client, &show).await;
    let mut bobs_map = stack.watch(&bob.client, &show).await;
    let seats = show.pick([0, 1]);

    // Ada holds two seats, and Bob sees it.
    let hold = ada.hold(&show, &seats).await.ok();
    assert_eq!(hold["hold"]["seats"].as_array().map(Vec::len), Some(2));
    bobs_map.until("two held seats", |map| map.state(0) == 'H' && map.state(1) == 'H').await;

    // Bob wants one of them and a free one: he gets neither, is told which is taken, and is shown
    // others.
    let refusal = bob.hold(&show, &show.pick([1, 2])).await.refused("SeatsUnavailableError");
    assert_eq!(refusal["code"], "SEATS_UNAVAILABLE");
    assert_eq!(refusal["seatIds"], json!([show.seats[1]]));
    let offered = refusal["alternatives"][0]["seatIds"].as_array().cloned().unwrap_or_default();
    assert_eq!(offered.len(), 2, "{refusal}");
    assert_eq!(bobs_map.state(2), 'A');

    // The seats that he is offered can be had.
    let offered: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
    bob.hold(&show, &offered).await.ok();

    // Ada pays, and both see the seats sold.
    let checkout = ada.checkout(&hold).await.ok();
    assert_eq!(checkout["booking"]["status"], "PENDING_PAYMENT");
    assert_eq!(checkout["booking"]["total"], hold["hold"]["total"]);
    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");
    let id = checkout["booking"]["id"].as_str().expect("a booking id");
    let booking = ada.booking_in(id, "CONFIRMED").await;
    for map in [&mut adas_map, &mut bobs_map] {
        map.until("two sold seats", |map| map.state(0) == 'S' && map.state(1) == 'S').await;
    }

    // Her tickets prove themselves with nothing but the published key.
    let tickets = booking["tickets"].as_array().expect("tickets");
    assert_eq!(tickets.len(), 2);
    let keys: Value = http::get(&format!("{}/.well-known/ticket-keys.json", stack.ops("booking")))
        .await
        .json()
        .await
        .expect("keys as JSON");
    for ticket in tickets {
        assert!(ticket["qrSvg"].as_str().is_some_and(|svg| svg.contains("<svg")));
        verify(ticket["code"].as_str().expect("a code"), &keys);
    }

    // They are in her mail and in her history, and nobody else's.
    let mail = mail::expect(&stack.mail_dir(), &ada.email, "svg").await;
    assert!(mail.contains(booking["reference"].as_str().expect("a reference")), "{mail}");
    assert_eq!(mail::to(&stack.mail_dir(), &bob.email), Vec::<String>::new());
    let history = eventually("the booking is in the history", async || {
        let me = ada.client.call("Me", json!({})).await.ok()?.ok().ok()?;
        me["me"]["bookings"]["nodes"].as_array().filter(|nodes| !nodes.is_empty()).cloned()
    })
    .await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["id"], id);
    assert_eq!(history[0]["status"], "CONFIRMED");
    assert_eq!(bob.booking(id).await, Value::Null);
}

/// Checks a ticket code as a scanner without a network does: `M1.<payload>.<signature>`, where the
/// payload begins with the id of the key.
fn verify(code: &str, keys: &Value) {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let (signed, signature) = code.rsplit_once('.').expect("a signature");
    let payload = bytes(signed.strip_prefix("M1.").expect("the first format"));
    let key_id = hex::encode(&payload[..4]);
    let keys = keys["keys"].as_array().expect("a list of keys");
    let key = keys.iter().find(|key| key["kid"] == key_id.as_str()).expect("the key of this ticket");
    let key = bytes(key["x"].as_str().expect("the public key"));
    let key = VerifyingKey::from_bytes(&key.try_into().expect("32 bytes")).expect("a key");
    let signature = Signature::from_slice(&bytes(signature)).expect("64 bytes");
    key.verify_strict(signed.as_bytes(), &signature).expect("a valid signature");
    let forged = signed.replace("M1.", "M2.");
    assert!(key.verify_strict(forged.as_bytes(), &signature).is_err());
}
