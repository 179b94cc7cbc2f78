//! People who use the platform.

use client::Client;
use kernel::{IdSource, SystemIds};
use serde_json::{Value, json};

use crate::{shows::Show, stack::Stack, wait::eventually};

/// A new idempotency key.
pub fn key() -> String {
    SystemIds.uuid().to_string()
}

/// What a mutation gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload(pub Value);

impl Payload {
    /// The payload, which must have no refusals.
    ///
    /// # Panics
    /// When it has.
    pub fn ok(self) -> Value {
        assert_eq!(self.0["userErrors"], json!([]), "refused: {}", self.0);
        self.0
    }

    /// The only refusal, which must be of this type.
    ///
    /// # Panics
    /// When there is none, another, or more than one.
    pub fn refused(self, typename: &str) -> Value {
        let errors = self.0["userErrors"].as_array().cloned().unwrap_or_default();
        match errors.as_slice() {
            [error] if error["__typename"] == typename => error.clone(),
            _ => panic!("expected one {typename}, got {}", self.0),
        }
    }

    /// The code of the only refusal.
    ///
    /// # Panics
    /// When there is none or more than one.
    pub fn code(&self) -> &str {
        match self.0["userErrors"].as_array().map(Vec::as_slice) {
            Some([error]) => error["code"].as_str().unwrap_or_default(),
            _ => panic!("expected one refusal, got {}", self.0),
        }
    }
}

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Speaks to the gateway as this person.
    pub client: Client,
    /// Where mail goes.
    pub email: String,
    /// The account's id.
    pub id: String,
}

/// What everybody chooses.
pub const PASSWORD: &str = "correct horse battery";

impl Stack {
    /// Somebody new.
    ///
    /// # Panics
    /// When the platform does not let them in.
    pub async fn customer(&self, name: &str) -> Customer {
        let email = format!("{}-{}@example.org", name.to_lowercase(), SystemIds.uuid().simple());
        let input = json!({ "email": email, "password": PASSWORD, "name": name });
        let payload = mutate(&self.visitor(), "SignUp", "signUp", input).await.ok();
        let token = payload["session"]["accessToken"].as_str().unwrap_or_default();
        let id = payload["session"]["user"]["id"].as_str().unwrap_or_default().to_owned();
        Customer { client: self.visitor().with_token(token), email, id }
    }

    /// Somebody who runs theaters.
    ///
    /// # Panics
    /// When the account cannot be made.
    pub async fn manager(&self) -> Customer {
        let person = self.customer("Manager").await;
        self.command(&["user", "grant", &person.email, "manager"])
            .unwrap_or_else(|error| panic!("{error:#}"));
        let input = json!({ "email": person.email, "password": PASSWORD });
        let payload = mutate(&person.client, "LogIn", "logIn", input).await.ok();
        let token = payload["session"]["accessToken"].as_str().unwrap_or_default();
        Customer { client: person.client.with_token(token), ..person }
    }
}

/// Calls the mutation `field` of `operation` with `input`.
///
/// # Panics
/// When the answer has top-level errors.
pub async fn mutate(client: &Client, operation: &str, field: &str, input: Value) -> Payload {
    let answer = client.call(operation, json!({ "input": input })).await;
    let mut data =
        answer.and_then(client::Reply::ok).unwrap_or_else(|error| panic!("{field} with {input}: {error}"));
    Payload(data[field].take())
}

impl Customer {
    /// Holds these seats.
    pub async fn hold(&self, show: &Show, seat_ids: &[&str]) -> Payload {
        self.hold_with(show, seat_ids, &key()).await
    }

    /// Holds these seats, under a known key.
    pub async fn hold_with(&self, show: &Show, seat_ids: &[&str], key: &str) -> Payload {
        let input = json!({ "showId": show.id, "seatIds": seat_ids, "idempotencyKey": key });
        mutate(&self.client, "HoldSeats", "holdSeats", input).await
    }

    /// Makes the hold in `payload` a booking.
    pub async fn checkout(&self, hold: &Value) -> Payload {
        self.checkout_with(hold, &key()).await
    }

    /// Makes the hold in `payload` a booking, under a known key.
    pub async fn checkout_with(&self, hold: &Value, key: &str) -> Payload {
        let input = json!({ "holdId": hold["hold"]["id"], "idempotencyKey": key });
        mutate(&self.client, "Checkout", "checkout", input).await
    }

    /// Makes the hold in `payload` a booking, and agrees to equivalent seats.
    pub async fn checkout_anywhere(&self, hold: &Value) -> Payload {
        let input = json!({
            "holdId": hold["hold"]["id"],
            "idempotencyKey": key(),
            "acceptEquivalentSeats": true,
        });
        mutate(&self.client, "Checkout", "checkout", input).await
    }

    /// Extends the hold in `payload`.
    pub async fn extend(&self, hold: &Value) -> Payload {
        mutate(&self.client, "ExtendHold", "extendHold", json!({ "holdId": hold["hold"]["id"] })).await
    }

    /// Gives up the hold in `payload`.
    pub async fn release(&self, hold: &Value) -> Payload {
        mutate(&self.client, "ReleaseHold", "releaseHold", json!({ "holdId": hold["hold"]["id"] })).await
    }

    /// Cancels a booking.
    pub async fn cancel(&self, booking_id: &str) -> Payload {
        let input = json!({ "bookingId": booking_id, "idempotencyKey": key() });
        mutate(&self.client, "CancelBooking", "cancelBooking", input).await
    }

    /// A booking as its owner sees it.
    ///
    /// # Panics
    /// When the answer has errors.
    pub async fn booking(&self, id: &str) -> Value {
        let answer = self.client.call("Booking", json!({ "id": id })).await.and_then(client::Reply::ok);
        answer.unwrap_or_else(|error| panic!("booking {id}: {error}"))["booking"].take()
    }

    /// Waits until a booking has a status, and gives it.
    ///
    /// # Panics
    /// When it never has.
    pub async fn booking_in(&self, id: &str, status: &str) -> Value {
        eventually(format_args!("{id} is {status}"), async || {
            Some(self.booking(id).await).filter(|booking| booking["status"] == status)
        })
        .await
    }

    /// Holds, checks out and pays; gives the confirmed booking.
    ///
    /// # Panics
    /// When any step fails.
    pub async fn buy(&self, stack: &Stack, show: &Show, seat_ids: &[&str]) -> Value {
        let hold = self.hold(show, seat_ids).await.ok();
        let checkout = self.checkout(&hold).await.ok();
        let intent = stack.sandbox().confirm(&checkout, crate::sandbox::GOOD_CARD).await;
        assert_eq!(intent["status"], "succeeded", "{intent}");
        self.booking_in(checkout["booking"]["id"].as_str().unwrap_or_default(), "CONFIRMED").await
    }
}
