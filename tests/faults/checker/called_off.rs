//! A show that is called off sells nothing more and keeps nothing.
//!
//! That its bookings are refunded in full, and their buyers told, the rules for money and events say;
//! here is what they leave open.

use super::facts::{Facts, owns_seats};
use super::{Rule, Violation};
use crate::history::{Action, Call, Millis, Outcome};
use crate::observed::Booking;

/// What somebody is told who wants a seat of such a show.
const CLOSED: &str = "SHOW_CLOSED";
/// Why the trail says that a booking ended.
const REASON: &str = "show_cancelled";

fn wrong(what: impl Into<String>, show: &str) -> Violation {
    Violation::new(Rule::ShowCancelled, what).of(show)
}

/// Checks the shows that were called off, and that no others are.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = told(facts);
    for (show, at) in facts.called_off() {
        if facts.calls_off(show).all(|call| matches!(call.outcome, Outcome::Refused { .. })) {
            found.push(wrong(format!("{show} is called off, and nobody did that"), show).at(at));
        }
        found.extend(left(facts, show));
        found.extend(sold(facts, show, at));
        found.extend(at_rest(facts, show));
    }
    found
}

/// Whoever calls a show off and is told that it is done has done it.
fn told(facts: &Facts<'_>) -> Vec<Violation> {
    let calls = facts.history.calls.iter();
    let done = calls.filter_map(|call| match (&call.action, &call.outcome) {
        (Action::CallOff { show }, Outcome::ShowChanged) => Some((call, show)),
        _ => None,
    });
    let forgotten = done.filter(|(_, show)| facts.show_cancelled(show).is_none());
    forgotten
        .map(|(call, show)| wrong(format!("{show} was called off, and is on sale"), show).at(call.from))
        .collect()
}

/// Nobody has a seat any more, and each booking that ended with the show gets its money for that reason.
fn left(facts: &Facts<'_>, show: &str) -> Vec<Violation> {
    let observed = facts.observed;
    let rows = observed.allocations.iter().filter(|row| row.show == show);
    let mut found: Vec<Violation> = rows
        .map(|row| {
            let owner = row.booking.as_deref().or(row.hold.as_deref()).unwrap_or("nobody");
            let what = format!("seat {} still belongs to {owner}", row.seat);
            wrong(what, show).of(owner).seated(show, &[row.seat])
        })
        .collect();
    for booking in observed.bookings.iter().filter(|booking| booking.show == show) {
        let Booking { id, status, .. } = booking;
        let mut report = |what: String| found.push(wrong(what, show).of(id).seated(show, &booking.seats));
        if owns_seats(status) {
            report(format!("{id} is {status}"));
        }
        let ended = facts.states(id).iter().find(|entry| entry.to == "CANCELLED" && entry.reason == REASON);
        let was_sold = ended.is_some_and(|entry| entry.from.as_deref() == Some("CONFIRMED"));
        let mut causes = observed
            .refunds
            .iter()
            .filter(|refund| refund.booking == *id)
            .map(|refund| refund.cause.as_str());
        if was_sold && booking.total_minor > 0 && !causes.any(|cause| cause == "SHOW_CANCELLED") {
            report(format!("{id} ended with its show, and no refund is because of that"));
        }
    }
    found
}

/// When everybody has heard of it, nobody gets a hold that was not asked for before.
fn sold(facts: &Facts<'_>, show: &str, at: Millis) -> Vec<Violation> {
    let closed = facts.calm_after(at).min(facts.observed.quiet_at.unwrap_or(Millis::MAX));
    let late = facts.holds.values().filter(|hold| hold.show == show && hold.begun >= closed);
    late.map(|hold| {
        let seats: Vec<u16> = hold.any_seats().into_iter().collect();
        wrong(format!("{} was given", hold.id), show).of(hold.id).seated(show, &seats).at(hold.begun)
    })
    .collect()
}

/// When all is at rest its map is closed, and whoever wants a seat is told why there is none.
fn at_rest(facts: &Facts<'_>, show: &str) -> Vec<Violation> {
    let Some(quiet_at) = facts.observed.quiet_at else { return Vec::new() };
    let maps = facts.observed.maps.iter().filter(|map| map.show == show);
    let open = maps.filter(|map| map.states.bytes().any(|state| state != b'B'));
    let mut found: Vec<Violation> =
        open.map(|map| wrong(format!("its map is {}", map.states), show)).collect();
    let wishes = facts.history.calls.iter().filter(|call| call.from >= quiet_at && wants(call, show));
    let otherwise = wishes.filter(|call| match &call.outcome {
        Outcome::Refused { code, .. } => code != CLOSED,
        Outcome::Unknown { .. } => false,
        _ => true,
    });
    found.extend(
        otherwise.map(|call| {
            wrong(format!("call {} wanted a seat: {}", call.no, call.outcome), show).at(call.from)
        }),
    );
    found
}

fn wants(call: &Call, wanted: &str) -> bool {
    matches!(&call.action, Action::Hold { show, .. } | Action::HoldBest { show, .. } if show == wanted)
}
