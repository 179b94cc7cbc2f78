//! A repetition does nothing new: one key, one thing; one hold, one booking.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{HoldId, ScopedId};

use super::facts::{Facts, hold_request};
use super::{Rule, Violation};
use crate::history::{Action, Call, Millis, Outcome};

/// Checks all answers to what should have the same answer.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = keys(facts);
    found.extend(bookings(facts));
    found.extend(revived(facts));
    found
}

/// Things by what they follow from.
type Made<'a> = BTreeMap<String, BTreeSet<&'a str>>;

fn several(made: Made<'_>, thing: &str) -> impl Iterator<Item = Violation> {
    let several = made.into_iter().filter(|(_, ids)| ids.len() > 1);
    several.map(move |(from, ids)| {
        let what = format!("{from} made {} {thing}", ids.len());
        let mut violation = Violation::new(Rule::Idempotent, what);
        violation.ids = ids.into_iter().map(str::to_owned).collect();
        violation
    })
}

/// One hold for each key of a user. Redis and PostgreSQL give ids that differ in the lowest bit, and
/// a request that is repeated while Redis is away may get one of either.
fn keys(facts: &Facts<'_>) -> Vec<Violation> {
    let mut exact = Made::new();
    let mut alike: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
    for call in &facts.history.calls {
        let (Some((show, user, key)), Outcome::Held { hold, durable, .. }) =
            (hold_request(call), &call.outcome)
        else {
            continue;
        };
        let request = format!("key {key} of {user} for {show}");
        exact.entry(format!("{request} (durable: {durable})")).or_default().insert(hold);
        alike.entry(request).or_default().insert(without_mode(hold), hold);
    }
    // Ids that are none of ours (in tests) tell nothing of their mode.
    let ours = |ids: &BTreeMap<String, &str>| ids.values().all(|id| id.parse::<HoldId>().is_ok());
    let alike = alike.into_iter().filter(|(_, ids)| ours(ids));
    let alike: Made<'_> = alike.map(|(request, ids)| (request, ids.into_values().collect())).collect();
    several(exact, "holds").chain(several(alike, "holds")).collect()
}

/// The id of a hold, whoever keeps it.
fn without_mode(hold: &str) -> String {
    hold.parse::<HoldId>()
        .map_or_else(|_| hold.to_owned(), |id| HoldId::to_string(&ScopedId::new(id.show(), id.local() & !1)))
}

/// One booking for each hold, and for each key of a user's checkouts of a show.
fn bookings(facts: &Facts<'_>) -> Vec<Violation> {
    let mut by_hold = Made::new();
    let mut by_key = Made::new();
    for booking in &facts.observed.bookings {
        by_hold.entry(booking.hold.clone()).or_default().insert(&booking.id);
    }
    for call in &facts.history.calls {
        if let (Action::Checkout { hold, key, .. }, Outcome::CheckedOut { booking, .. }) =
            (&call.action, &call.outcome)
        {
            let show = facts.holds.get(hold.as_str()).map_or("a show", |hold| hold.show);
            by_hold.entry(hold.clone()).or_default().insert(booking);
            by_key.entry(format!("key {key} of {} for {show}", call.user)).or_default().insert(booking);
        }
    }
    several(by_hold, "bookings").chain(several(by_key, "bookings")).collect()
}

/// A hold that was released stays so, whoever repeats the request that made it.
fn revived(facts: &Facts<'_>) -> Vec<Violation> {
    let mut released: BTreeMap<&str, Millis> = BTreeMap::new();
    for call in &facts.history.calls {
        if let (Action::Release { hold }, Outcome::Released) = (&call.action, &call.outcome) {
            let first = released.entry(hold).or_insert(call.to);
            *first = call.to.min(*first);
        }
    }
    let mut found = Vec::new();
    for hold in facts.holds.values() {
        let Some(at) = released.get(hold.id) else { continue };
        // Redis may have lost that it was released.
        let forgotten = |call: &Call| !hold.durable && facts.lost_before(call.to);
        if let Some(held) = hold.held.iter().find(|held| held.call.from > *at && !forgotten(held.call)) {
            let what = format!("{} was released, and call {} got it again", hold.id, held.call.no);
            found.push(Violation::new(Rule::Idempotent, what).of(hold.id).at(held.call.from));
        }
    }
    found
}
