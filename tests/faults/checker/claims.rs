//! A claim does not end while its payment may be made: before its limit it ends only when the provider has
//! said that no money will come.
//!
//! What the provider called off stays so. So a claim that ended before its limit, and whose payment is not
//! called off in the end, ended unasked.

use super::facts::{Facts, SLACK};
use super::{Rule, Violation};
use crate::history::{Call, Millis, Outcome};
use crate::observed::{Booking, Intent};

/// Why the trail says that a claim ended.
const REASON: &str = "claim_lapsed";

/// Checks each claim that ended.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let bookings = facts.observed.bookings.iter();
    bookings.filter_map(|booking| ended_unasked(facts, booking)).collect()
}

fn ended_unasked(facts: &Facts<'_>, booking: &Booking) -> Option<Violation> {
    let states = facts.states(&booking.id);
    let limit = states.first()?.at.saturating_add(facts.observed.claim_limit_ms);
    let ended = states.iter().find(|entry| entry.to == "EXPIRED" && entry.reason == REASON)?;
    if ended.at + SLACK >= limit {
        return None;
    }
    let intent = known_payment(facts, booking)?;
    (intent.status != "canceled").then(|| {
        let what = format!("the claim of {} ended while {} could be paid", booking.id, intent.id);
        Violation::new(Rule::Claims, what)
            .of(&booking.id)
            .of(&intent.id)
            .seated(&booking.show, facts.first_seats(booking))
            .at(ended.at)
    })
}

/// The only payment of a booking, of which somebody was told before the claim was over: so it was known to
/// whoever ended the claim.
fn known_payment<'a>(facts: &Facts<'a>, booking: &Booking) -> Option<&'a Intent> {
    let mut intents =
        facts.observed.intents.iter().filter(|intent| intent.booking.as_deref() == Some(booking.id.as_str()));
    let (intent, None) = (intents.next()?, intents.next()) else { return None };
    let of_intent = |call: &&&Call| match &call.outcome {
        Outcome::CheckedOut { intent: Some(told), .. } => *told == intent.id,
        _ => false,
    };
    let told: Millis = facts.checkouts(&booking.hold).iter().filter(of_intent).map(|call| call.to).min()?;
    (told + SLACK < booking.expires_at).then_some(intent)
}
