//! The cache gives no hold on a seat of a booking that it was told of.
//!
//! It may be told late, forget, or take a lapsed claim for free: PostgreSQL refuses the checkout then.
//! So this is about seats whose booking everybody had heard of before the hold was asked for.

use super::super::facts::{Facts, Hold, SLACK, owns_seats};
use super::super::{Rule, Violation};
use crate::history::{Action, Millis};
use crate::observed::Booking;

/// Checks each new hold of the cache against each booking of its seats.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for hold in facts.holds.values().filter(|hold| !hold.durable) {
        for booking in &facts.observed.bookings {
            if booking.show == hold.show && booking.hold != hold.id {
                found.extend(taken(facts, hold, booking));
            }
        }
    }
    found
}

fn taken<'a>(facts: &Facts<'a>, hold: &Hold<'_>, booking: &'a Booking) -> Option<Violation> {
    let held = hold.held.iter().find(|held| !matches!(held.call.action, Action::Extend { .. }))?;
    let seats = facts.first_seats(booking).iter().copied();
    let seats: Vec<u16> = seats.filter(|seat| held.seats.contains(seat)).collect();
    let (from, to) = owned(facts, booking)?;
    let surely = from <= hold.begun && held.call.to < to && !facts.lost_before(held.call.to);
    (surely && !seats.is_empty()).then(|| {
        let what = format!("{} got seats that {} has", hold.id, booking.id);
        Violation::new(Rule::SeatsLinearizable, what)
            .of(hold.id)
            .of(&booking.id)
            .seated(hold.show, &seats)
            .at(held.call.from)
    })
}

/// From when to when the cache must show the first seats of a booking as taken, wherever it may move
/// later. Needs the audit trail. A claim that goes on does so for the cache when it is told.
fn owned(facts: &Facts<'_>, booking: &Booking) -> Option<(Millis, Millis)> {
    let states = facts.states(&booking.id);
    let ends = states.iter().find(|entry| !owns_seats(&entry.to)).map_or(Millis::MAX, |entry| entry.at);
    let lapses = booking.expires_at.min(ends) - SLACK;
    states.first()?;
    let claimed = facts.calm_after(facts.claimed_by(booking));
    // Told in time that it is sold, the cache does not let it lapse.
    let confirmed = states.get(1).filter(|entry| entry.to == "CONFIRMED").map(|entry| entry.at);
    match confirmed {
        Some(at) if facts.calm_after(at) < lapses => Some((claimed, ends - SLACK)),
        _ => Some((claimed, lapses)),
    }
}
