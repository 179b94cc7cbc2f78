//! Where requests are made: each is written down, sent, and its answer put into the words of the
//! history.

use std::sync::Arc;

use chrono::DateTime;
use kernel::HoldId;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    person::Person,
    recorder::Recorder,
    target::{Show, Target},
};
use crate::history::{Action, Millis, Outcome};

/// What the gateway said.
#[derive(Debug, Clone)]
pub struct Told {
    /// As the history has it.
    pub outcome: Outcome,
    /// The payload, for what the history leaves out; null without one.
    pub payload: Value,
}

/// Makes requests as one person.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Who asks.
    pub person: Arc<Person>,
    /// Where.
    pub target: Arc<Target>,
    /// Writes it down.
    pub recorder: Arc<Recorder>,
}

const HOLD: &str = "mutation Hold($input: HoldSeatsInput!) { result: holdSeats(input: $input) {
  hold { id expiresAt seats { id } }
  userErrors { code ... on SeatsUnavailableError { seatIds } } } }";
const HOLD_BEST: &str = "mutation Best($input: HoldBestAvailableInput!) {
  result: holdBestAvailable(input: $input) {
    hold { id expiresAt seats { id } }
    userErrors { code ... on SeatsUnavailableError { seatIds } } } }";
const EXTEND: &str = "mutation Extend($input: ExtendHoldInput!) { result: extendHold(input: $input) {
  hold { id expiresAt seats { id } } userErrors { code } } }";
const RELEASE: &str = "mutation Release($input: ReleaseHoldInput!) { result: releaseHold(input: $input) {
  released userErrors { code } } }";
const CHECKOUT: &str = "mutation Checkout($input: CheckoutInput!) { result: checkout(input: $input) {
  booking { id status expiresAt seats { id } }
  payment { providerIntentId clientSecret }
  userErrors { code ... on SeatsUnavailableError { seatIds } } } }";
const CANCEL: &str = "mutation Cancel($input: CancelBookingInput!) { result: cancelBooking(input: $input) {
  booking { id status } refund { amount { amount } } userErrors { code } } }";
const LOOK: &str = "query Look($id: ID!) { result: booking(id: $id) { status tickets { id } } }";
const REPRICE: &str = "mutation Reprice($input: UpdateShowPricesInput!) {
  result: updateShowPrices(input: $input) { show { id } userErrors { code } } }";
const CALL_OFF: &str = "mutation CallOff($input: CancelShowInput!) {
  result: cancelShow(input: $input) { show { id } userErrors { code } } }";
/// A seat map and nothing else.
pub const READ: &str = "query Read($id: ID!) { result: show(id: $id) {
  seatMap { epoch version states } } }";

impl Desk {
    /// Asks for anything but a payment, which is not the gateway's business.
    pub async fn ask(&self, actor: usize, action: Action) -> Told {
        let no = self.recorder.begin(actor, self.person.user(), action.clone());
        let (document, variables) = self.request(&action);
        let told = match self.person.ask(document, variables).await {
            Answer::Data(mut data) => {
                let payload = data["result"].take();
                Told { outcome: self.outcome(&action, &payload), payload }
            }
            Answer::Refused(code) => {
                Told { outcome: Outcome::Refused { code, seats: Vec::new() }, payload: Value::Null }
            }
            Answer::Unknown(why) => Told { outcome: Outcome::Unknown { why }, payload: Value::Null },
        };
        self.recorder.end(no, told.outcome.clone());
        told
    }

    fn request(&self, action: &Action) -> (&'static str, Value) {
        let input = |input: Value| json!({ "input": input });
        match action {
            Action::Hold { show, seats, key } => {
                let seats: Vec<&str> = seats.iter().filter_map(|seat| self.seat_id(show, *seat)).collect();
                (HOLD, input(json!({ "showId": show, "seatIds": seats, "idempotencyKey": key })))
            }
            Action::HoldBest { show, quantity, key } => {
                (HOLD_BEST, input(json!({ "showId": show, "quantity": quantity, "idempotencyKey": key })))
            }
            Action::Extend { hold } => (EXTEND, input(json!({ "holdId": hold }))),
            Action::Release { hold } => (RELEASE, input(json!({ "holdId": hold }))),
            Action::Checkout { hold, key, equivalent } => (
                CHECKOUT,
                input(json!({ "holdId": hold, "idempotencyKey": key, "acceptEquivalentSeats": equivalent })),
            ),
            Action::Cancel { booking, key } => {
                (CANCEL, input(json!({ "bookingId": booking, "idempotencyKey": key })))
            }
            Action::Read { show } => (READ, json!({ "id": show })),
            Action::Look { booking } | Action::Pay { booking, .. } => (LOOK, json!({ "id": booking })),
            Action::Reprice { show, price } => {
                (REPRICE, input(json!({ "showId": show, "basePrice": price.to_string() })))
            }
            Action::CallOff { show } => (CALL_OFF, input(json!({ "showId": show }))),
        }
    }

    fn seat_id(&self, show: &str, seat: u16) -> Option<&str> {
        let show = self.target.shows.iter().find(|candidate| candidate.id == show)?;
        Some(show.seats.get(usize::from(seat))?)
    }

    fn outcome(&self, action: &Action, payload: &Value) -> Outcome {
        let done = match action {
            Action::Hold { .. } | Action::HoldBest { .. } | Action::Extend { .. } => self.held(payload),
            Action::Release { .. } => (payload["released"] == true).then_some(Outcome::Released),
            Action::Checkout { .. } => self.checked_out(payload),
            Action::Cancel { .. } => cancelled(payload),
            Action::Read { .. } => map(&payload["seatMap"]),
            Action::Look { .. } | Action::Pay { .. } => booking(payload),
            Action::Reprice { .. } | Action::CallOff { .. } => {
                payload["show"]["id"].is_string().then_some(Outcome::ShowChanged)
            }
        };
        done.or_else(|| self.refused(payload)).unwrap_or_else(|| match payload {
            // Neither found nor allowed looks the same from outside.
            Value::Null => Outcome::Refused { code: "NOT_FOUND".to_owned(), seats: Vec::new() },
            _ => Outcome::Unknown { why: format!("an answer of another form: {payload}") },
        })
    }

    fn held(&self, payload: &Value) -> Option<Outcome> {
        let id = payload["hold"]["id"].as_str()?;
        Some(Outcome::Held {
            hold: id.to_owned(),
            seats: self.seats(&payload["hold"]["seats"]),
            until: millis(&payload["hold"]["expiresAt"])?,
            durable: is_durable(id),
        })
    }

    fn checked_out(&self, payload: &Value) -> Option<Outcome> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Outcome::CheckedOut {
            booking: text(&payload["booking"]["id"])?,
            seats: self.seats(&payload["booking"]["seats"]),
            status: text(&payload["booking"]["status"])?,
            intent: text(&payload["payment"]["providerIntentId"]),
        })
    }

    fn refused(&self, payload: &Value) -> Option<Outcome> {
        let error = payload["userErrors"].get(0)?;
        let seats = error["seatIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let seats = sorted(seats.filter_map(|seat| self.seat_index(seat)));
        Some(Outcome::Refused { code: error["code"].as_str()?.to_owned(), seats })
    }

    /// The indices of `[{ id }]`.
    fn seats(&self, seats: &Value) -> Vec<u16> {
        let ids = seats.as_array().into_iter().flatten().filter_map(|seat| seat["id"].as_str());
        sorted(ids.filter_map(|seat| self.seat_index(seat)))
    }

    /// Shows on one screen share their seats' ids, so the first show that has it will do.
    fn seat_index(&self, seat: &str) -> Option<u16> {
        self.target.shows.iter().find_map(|show: &Show| show.index(seat))
    }
}

/// A hold that PostgreSQL keeps says so by the lowest bit of its id.
fn is_durable(hold: &str) -> bool {
    hold.parse::<HoldId>().is_ok_and(|id| id.local() & 1 == 1)
}

fn sorted(seats: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut seats: Vec<u16> = seats.collect();
    seats.sort_unstable();
    seats
}

/// A moment of the API.
pub fn millis(value: &Value) -> Option<Millis> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.timestamp_millis())
}

fn cancelled(payload: &Value) -> Option<Outcome> {
    payload["booking"]["id"].as_str()?;
    let refund_minor = payload["refund"]["amount"]["amount"].as_str().map_or(Some(0), minor)?;
    Some(Outcome::Cancelled { refund_minor })
}

/// Amounts have exactly as many decimal places as their currency: `12.50` are 1250 minor units.
fn minor(amount: &str) -> Option<i64> {
    amount.chars().filter(|character| *character != '.').collect::<String>().parse().ok()
}

fn booking(payload: &Value) -> Option<Outcome> {
    let tickets = payload["tickets"].as_array()?.len();
    Some(Outcome::Booking { status: payload["status"].as_str()?.to_owned(), tickets })
}

/// The outcome of reading `{ epoch version states }`. A map that PostgreSQL had to make has an
/// epoch that says so.
pub fn map(map: &Value) -> Option<Outcome> {
    let epoch = map["epoch"].as_str()?.to_owned();
    Some(Outcome::Map {
        degraded: epoch.starts_with("pg-"),
        epoch,
        version: version(&map["version"])?,
        states: map["states"].as_str()?.to_owned(),
    })
}

/// Versions are numbers, or text when they may pass what a JSON number holds.
pub fn version(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_minor_units() {
        assert_eq!(minor("12.50"), Some(1250));
        assert_eq!(minor("1200"), Some(1200));
        assert_eq!(minor("x"), None);
    }

    #[test]
    fn a_map_from_postgresql_is_degraded() {
        let read = |epoch: &str| map(&json!({ "epoch": epoch, "version": "7", "states": "AHS" }));
        assert!(matches!(read("pg-1"), Some(Outcome::Map { degraded: true, version: 7, .. })));
        assert!(matches!(read("01890a5d"), Some(Outcome::Map { degraded: false, .. })));
        assert_eq!(map(&Value::Null), None);
    }
}
