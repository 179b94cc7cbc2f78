//! What PostgreSQL promises of a seat: one owner at a time, a booking or a durable hold.
//!
//! Bookings change without a client's doing: they are confirmed, lapse, fail, come back. The audit
//! trail tells when; without a trail of a booking whatever may have happened to it is allowed.

use std::collections::BTreeSet;

use super::super::facts::{Facts, Hold, SLACK, Window, owns_seats, seats_at};
use super::plan::{Plans, held_step, is_release, requests_about};
use super::seat::{BookingChances, HoldChances, Step};
use crate::history::{Action, Millis, Outcome};
use crate::observed::{AuditEntry, Booking};

/// What is known about durable holds and bookings.
pub(super) fn plans<'a>(facts: &Facts<'a>) -> Plans<'a> {
    let mut plans = Plans::new();
    let wrong_clocks = facts.wrong_clocks();
    for hold in facts.holds.values().filter(|hold| hold.durable) {
        let chances = hold_chances(facts, hold, &wrong_clocks);
        for held in &hold.held {
            let asked = Window { from: hold.begun.min(held.call.from), to: held.call.to };
            let exact = !wrong_clocks.iter().any(|window| window.meets(asked));
            for seat in held.seats {
                let plan = plans.entry((hold.show, *seat)).or_default();
                let index = plan.hold(hold.id, &chances);
                let (step, window) = held_step(index, held, exact);
                plan.take(step, window);
            }
        }
        for call in &facts.history.calls {
            let releases = matches!(&call.action, Action::Release { hold: id } if id == hold.id);
            if !releases || !is_release(facts, call) {
                continue;
            }
            for seat in hold.any_seats() {
                let plan = plans.entry((hold.show, seat)).or_default();
                let index = plan.hold(hold.id, &chances);
                plan.take(Step::Release { hold: index }, Window::of(call));
            }
        }
    }
    for booking in &facts.observed.bookings {
        let chances = booking_chances(facts, booking);
        let steps = booking_steps(facts, booking);
        let first = facts.first_seats(booking);
        // It may have moved.
        let seats: BTreeSet<u16> = first.iter().chain(&booking.seats).copied().collect();
        for seat in &seats {
            let plan = plans.entry((&booking.show, *seat)).or_default();
            let index = plan.booking(&booking.id, &chances);
            let claimed = Window { from: facts.claimed_from(booking), to: facts.claimed_by(booking) };
            let claim = match facts.holds.get(booking.hold.as_str()) {
                Some(hold) if hold.durable => {
                    Step::Claim { booking: index, hold: plan.known_hold(&booking.hold) }
                }
                Some(_) => Step::Claim { booking: index, hold: None },
                // Nobody was told of its hold: it may have been either.
                None => Step::Reclaim { booking: index },
            };
            let first = first.contains(seat);
            if first {
                plan.take(claim, claimed);
            }
            for Changed { change, seats, window } in &steps {
                let step = match change {
                    _ if !seats.contains(seat) => continue,
                    Change::End => Step::End { booking: index },
                    Change::Return if first => Step::Reclaim { booking: index },
                    // Nobody makes way for one that moves.
                    Change::Return => Step::Claim { booking: index, hold: None },
                };
                plan.take(step, *window);
            }
        }
    }
    let allocations = &facts.observed.allocations;
    for ((show, seat), plan) in &mut plans {
        let mut rows = allocations.iter().filter(|row| row.show == *show && row.seat == *seat);
        let step = match (rows.next(), rows.next()) {
            (None, _) => Step::Remain { booking: None },
            (Some(row), None) => match row.booking.as_deref() {
                Some(id) => match plan.bookings.iter().position(|booking| *booking == id) {
                    Some(index) => Step::Remain { booking: Some(index) },
                    None => continue,
                },
                None => continue,
            },
            _ => continue,
        };
        plan.take(step, Window::since(0));
    }
    plans
}

/// What happened to a booking after it was made.
#[derive(Debug, Clone, Copy)]
enum Change {
    End,
    Return,
}

/// A change, of which seats, and when.
struct Changed<'a> {
    change: Change,
    seats: &'a [u16],
    window: Window,
}

fn booking_steps<'a>(facts: &Facts<'a>, booking: &'a Booking) -> Vec<Changed<'a>> {
    let states = facts.states(&booking.id);
    let mut steps = Vec::new();
    for (place, entry) in states.iter().enumerate().skip(1) {
        let before = entry.from.as_deref().is_some_and(owns_seats);
        let change = match (before, owns_seats(&entry.to)) {
            (true, false) => Change::End,
            (false, true) => Change::Return,
            _ => continue,
        };
        // The next change was made of what this one had committed.
        let next = states.get(place + 1).map(|next| next.at + SLACK);
        let to = next.into_iter().chain(told(facts, booking, entry)).min().unwrap_or(Millis::MAX);
        let window = Window { from: entry.at - SLACK, to };
        steps.push(Changed { change, seats: seats_at(booking, entry), window });
    }
    steps
}

/// When a client was told of this change.
fn told(facts: &Facts<'_>, booking: &Booking, entry: &AuditEntry) -> Option<Millis> {
    if entry.to != "CANCELLED" {
        return None;
    }
    let cancelled = facts.cancels(&booking.id).iter();
    cancelled.filter(|call| matches!(call.outcome, Outcome::Cancelled { .. })).map(|call| call.to).min()
}

fn hold_chances(facts: &Facts<'_>, hold: &Hold<'_>, wrong_clocks: &[Window]) -> HoldChances {
    let mut chances = requests_about(facts, hold.id);
    let seats = hold.any_seats();
    // Captured money outranks a hold.
    for booking in &facts.observed.bookings {
        let wanted = facts.first_seats(booking);
        let meets = booking.show == hold.show && wanted.iter().any(|seat| seats.contains(seat));
        if meets && booking.hold != hold.id {
            let steps = booking_steps(facts, booking);
            let returns = steps.iter().filter(|changed| matches!(changed.change, Change::Return));
            chances.ends.extend(returns.map(|changed| Window::since(changed.window.from)));
            chances.ends.extend(booking_chances(facts, booking).returns);
        }
    }
    chances.ends.extend(facts.outranked(hold).map(Window::since));
    chances.ends.extend(facts.show_cancelled(hold.show).map(Window::since));
    chances.ends.extend_from_slice(wrong_clocks);
    chances.extends.extend_from_slice(wrong_clocks);
    chances
}

/// Nothing more than the audit trail tells, when there is one.
fn booking_chances(facts: &Facts<'_>, booking: &Booking) -> BookingChances {
    if !facts.states(&booking.id).is_empty() {
        return BookingChances::default();
    }
    let claimed = facts.claimed_from(booking);
    let cancelled = facts.cancels(&booking.id).iter().map(|call| call.from).min();
    let lapses = match booking.status.as_str() {
        "FAILED" => claimed,
        _ if !facts.wrong_clocks().is_empty() => claimed,
        _ => booking.expires_at - SLACK,
    };
    let ends = vec![Window::since(cancelled.unwrap_or(lapses).min(lapses))];
    let pays = |action: &Action| matches!(action, Action::Pay { booking: id, .. } if *id == booking.id);
    let paid = facts.history.calls.iter().filter(|call| pays(&call.action)).map(|call| call.from).min();
    BookingChances { ends, returns: paid.map(Window::since).into_iter().collect() }
}
