//! Nobody succeeds with what is another's: a hold or a booking is its owner's alone.

use super::super::facts::Facts;
use super::super::{Rule, Violation};
use crate::history::{Action, Call, Outcome};

/// Checks the token of every success.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let calls = facts.history.calls.iter();
    let bookings = facts.observed.bookings.iter().filter_map(|booking| {
        let owner = facts.holds.get(booking.hold.as_str())?.user;
        (owner != booking.user).then(|| {
            let what =
                format!("{} of {} was made from {} of {owner}", booking.id, booking.user, booking.hold);
            Violation::new(Rule::ForeignToken, what).of(&booking.id).of(&booking.hold)
        })
    });
    calls.filter_map(|call| foreign(facts, call)).chain(bookings).collect()
}

fn foreign(facts: &Facts<'_>, call: &Call) -> Option<Violation> {
    if matches!(call.outcome, Outcome::Refused { .. } | Outcome::Unknown { .. }) {
        return None;
    }
    let (owner, id) = match (&call.action, &call.outcome) {
        (Action::Extend { hold } | Action::Release { hold } | Action::Checkout { hold, .. }, _)
        | (_, Outcome::Held { hold, .. }) => (facts.holds.get(hold.as_str())?.user, hold),
        (Action::Cancel { booking, .. } | Action::Look { booking }, _) => (buyer(facts, booking)?, booking),
        _ => return None,
    };
    (owner != call.user).then(|| {
        let what = format!("call {}: {} succeeded with {id} of {owner}", call.no, call.user);
        Violation::new(Rule::ForeignToken, what).of(id).at(call.from)
    })
}

/// Whose a booking is: the user of its hold.
fn buyer<'a>(facts: &Facts<'a>, booking: &str) -> Option<&'a str> {
    facts.holds.get(facts.bookings.get(booking)?.hold.as_str()).map(|hold| hold.user)
}
