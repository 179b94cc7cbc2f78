//! What Redis promises of a seat: one hold at a time, until its end.
//!
//! A hold of the cache may end early, and the platform says when: Redis lost it, or somebody whom
//! PostgreSQL gave a seat of it to outranks it (a booking, a durable hold), which breaks it up whole.

use super::super::facts::{Facts, Hold, Owner, SLACK, Window};
use super::plan::{Plans, held_step, is_release, requests_about};
use super::seat::{HoldChances, Step};
use crate::history::{Action, Millis};
use crate::observed::Booking;

/// What is known about holds of the cache.
pub(super) fn plans<'a>(facts: &Facts<'a>) -> Plans<'a> {
    let owners: Vec<(Millis, Owner<'_>)> =
        facts.owners().into_iter().map(|owner| (facts.calm_after(owner.to), owner)).collect();
    let mut plans = Plans::new();
    for hold in facts.holds.values().filter(|hold| !hold.durable) {
        let chances = chances(facts, hold, &owners);
        for held in &hold.held {
            for seat in held.seats {
                let plan = plans.entry((hold.show, *seat)).or_default();
                let index = plan.hold(hold.id, &chances);
                let (step, window) = held_step(index, held, true);
                plan.take(step, window);
            }
        }
        for call in &facts.history.calls {
            let releases = matches!(&call.action, Action::Release { hold: id } if id == hold.id);
            if releases && is_release(facts, call) {
                take_firm(&mut plans, hold, Window::of(call), |index| Step::Release { hold: index });
            }
        }
        for booking in facts.observed.bookings.iter().filter(|booking| booking.hold == hold.id) {
            if let Some(window) = found(facts, booking) {
                take_firm(&mut plans, hold, window, |index| Step::Find { hold: index });
            }
        }
    }
    plans
}

fn take_firm<'a>(plans: &mut Plans<'a>, hold: &Hold<'a>, window: Window, step: impl Fn(usize) -> Step) {
    for seat in hold.firm_seats() {
        if let Some(plan) = plans.get_mut(&(hold.show, seat))
            && let Some(index) = plan.known_hold(hold.id)
        {
            plan.take(step(index), window);
        }
    }
}

/// When the checkout that made a booking looked for its hold: between the request and the insert.
fn found(facts: &Facts<'_>, booking: &Booking) -> Option<Window> {
    let from = facts.checkouts(&booking.hold).iter().map(|call| call.from).min()?;
    let written = facts.states(&booking.id).first().map(|entry| entry.at + SLACK);
    let to = written.unwrap_or(Millis::MAX).min(facts.claimed_by(booking));
    Some(Window { from, to })
}

/// `owners` with the time until which the cache may hear of them.
fn chances(facts: &Facts<'_>, hold: &Hold<'_>, owners: &[(Millis, Owner<'_>)]) -> HoldChances {
    let mut chances = requests_about(facts, hold.id);
    let seats = hold.any_seats();
    let outrank = owners.iter().filter(|(told, owner)| {
        owner.show == hold.show
            && owner.id != hold.id
            && *told >= hold.begun
            && owner.seats.iter().any(|seat| seats.contains(seat))
    });
    chances.ends.extend(outrank.map(|(_, owner)| Window::since(owner.from)));
    chances.ends.extend(facts.show_cancelled(hold.show).map(Window::since));
    if facts.observed.audit.is_empty() && !facts.history.faults.is_empty() {
        // Without a trail nobody knows of durable holds whose answers got lost.
        chances.ends.push(Window::since(hold.begun));
    }
    let firm = hold.firm_seats();
    if firm != seats {
        // Made anew after a loss, with other seats: a release may have been of either.
        let releases = facts
            .history
            .calls
            .iter()
            .filter(|call| matches!(&call.action, Action::Release { hold: id } if id == hold.id));
        chances.ends.extend(releases.map(|call| Window::since(call.from)));
    }
    for loss in facts.losses() {
        chances.ends.push(loss);
        // A request that was under way may make it anew.
        chances.extends.push(Window::since(loss.from));
        // Redis may be again as it was before the hold ended.
        if hold.begun <= loss.to && hold.last_until() + SLACK >= loss.from {
            chances.revives.push(loss);
        }
    }
    chances
}
