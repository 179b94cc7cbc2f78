//! What a client was told is so: what was made is there, what was said to be done is done.

use super::facts::{Facts, SLACK};
use super::{Rule, Violation};
use crate::history::{Action, Call, Outcome};
use crate::observed::Booking;

/// Checks each answer against what is left.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        facts.history.calls.iter().filter_map(|call| answer(facts, call)).collect();
    found.extend(facts.observed.bookings.iter().filter_map(|booking| origin(facts, booking)));
    found
}

fn answer(facts: &Facts<'_>, call: &Call) -> Option<Violation> {
    let (id, what) = match (&call.action, &call.outcome) {
        (Action::Hold { seats, .. }, Outcome::Held { hold, seats: held, .. }) => {
            let mut wanted = seats.clone();
            wanted.sort_unstable();
            (hold, (wanted != *held).then(|| format!("wanted {wanted:?} and got {held:?}"))?)
        }
        (Action::HoldBest { quantity, .. }, Outcome::Held { hold, seats, .. }) => {
            let right = seats.len() == usize::from(*quantity);
            (hold, (!right).then(|| format!("wanted {quantity} seats and got {seats:?}"))?)
        }
        (Action::Checkout { hold, .. }, Outcome::CheckedOut { booking, seats, .. }) => {
            (booking, checked_out(facts, call, hold, booking, seats)?)
        }
        (Action::Cancel { booking, .. }, Outcome::Cancelled { refund_minor }) => {
            (booking, cancelled(facts, booking, *refund_minor)?)
        }
        (Action::Pay { intent, .. }, Outcome::Paid { processing: false }) => {
            let intents = &facts.observed.intents;
            let paid = intents.iter().any(|known| known.id == *intent && known.received_minor > 0);
            (intent, (!paid).then(|| "paid, but the provider has no money".to_owned())?)
        }
        (Action::Look { booking }, Outcome::Booking { status, tickets }) => {
            (booking, looked(facts, call, booking, status, *tickets)?)
        }
        _ => return None,
    };
    let what = format!("call {} ({id}): {what}", call.no);
    Some(Violation::new(Rule::Answers, what).of(id).at(call.from))
}

fn checked_out(facts: &Facts<'_>, call: &Call, hold: &str, booking: &str, seats: &[u16]) -> Option<String> {
    let Some(known) = facts.bookings.get(booking) else {
        return Some("checked out, but there is no such booking".to_owned());
    };
    if known.hold != hold {
        return Some(format!("checked out {hold}, and got the booking of {}", known.hold));
    }
    let first = facts.first_seats(known);
    let held = facts.holds.get(hold);
    let fits = held.is_none_or(|hold| hold.held.iter().any(|held| held.seats == first));
    // A repetition tells where it is now.
    let moved = facts.moved(known).and_then(|place| facts.states(booking).get(place));
    let is_there = known.seats == seats && moved.is_some_and(|moved| moved.at <= call.to + SLACK);
    ((first != seats && !is_there) || !fits)
        .then(|| format!("got a booking of {seats:?}; it had {first:?}, or the hold had others"))
}

fn cancelled(facts: &Facts<'_>, booking: &str, refund_minor: i64) -> Option<String> {
    let Some(known) = facts.bookings.get(booking) else {
        return Some("cancelled, but there is no such booking".to_owned());
    };
    if !matches!(known.status.as_str(), "CANCELLED" | "REFUNDED") {
        return Some(format!("cancelled, but it is {}", known.status));
    }
    // Only what was confirmed has tickets, void by now.
    let confirmed = facts.observed.tickets.iter().any(|ticket| ticket.booking == booking);
    let due = facts.comes_back(known, known.total_minor);
    (confirmed && !due.contains(&refund_minor))
        .then(|| format!("cancelled for {refund_minor} instead of {due:?}"))
}

fn looked(facts: &Facts<'_>, call: &Call, booking: &str, status: &str, tickets: usize) -> Option<String> {
    let Some(known) = facts.bookings.get(booking) else {
        return Some("seen, but there is no such booking".to_owned());
    };
    // Booking and tickets are read one after the other: a cancellation can come between.
    let cancels = facts.cancels(booking).iter().any(|cancel| cancel.from <= call.to);
    let steady = !cancels && facts.show_cancelled(&known.show).is_none();
    if status == "CONFIRMED" && steady && tickets != known.seats.len() {
        return Some(format!("seen {status} with {tickets} tickets for {} seats", known.seats.len()));
    }
    let states = facts.states(booking);
    let was = states.iter().any(|entry| entry.to == status && entry.at <= call.to + SLACK);
    (!states.is_empty() && !was).then(|| format!("seen {status} before it was"))
}

/// Each booking was asked for.
fn origin(facts: &Facts<'_>, booking: &Booking) -> Option<Violation> {
    let Booking { id, hold, .. } = booking;
    facts.checkouts(hold).is_empty().then(|| {
        let what = format!("{id} was made from {hold}, which nobody checked out");
        Violation::new(Rule::Answers, what).of(id).of(hold).seated(&booking.show, &booking.seats)
    })
}
