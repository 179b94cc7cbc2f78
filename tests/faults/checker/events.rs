//! The effect of each message is there, once: the read model, what people are told, mails, empty queues.
//!
//! In which order messages arrive is no rule: two workers share each queue, and what is tried again is
//! overtaken. Consumers go by versions and states, so that any order has the same effect.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::{Rule, Violation};
use crate::observed::Booking;

const CONFIRMED: &str = "booking.confirmed";
const CANCELLED: &str = "booking.cancelled";
const REFUNDED: &str = "booking.refunded";

fn wrong(what: impl Into<String>) -> Violation {
    Violation::new(Rule::Events, what)
}

/// Checks every effect against the bookings.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let observed = facts.observed;
    let mut found: Vec<Violation> =
        observed.bookings.iter().flat_map(|booking| effects(facts, booking)).collect();
    let strangers = observed
        .deliveries
        .iter()
        .filter_map(|delivery| delivery.booking.as_ref().map(|booking| (&delivery.kind, booking)))
        .filter(|(_, booking)| !facts.bookings.contains_key(booking.as_str()));
    found.extend(strangers.map(|(kind, booking)| {
        wrong(format!("somebody was told `{kind}` of {booking}, which does not exist")).of(booking)
    }));
    let strangers = observed.history.iter().filter(|row| !facts.bookings.contains_key(row.booking.as_str()));
    found
        .extend(strangers.map(|row| {
            wrong(format!("{} is in a history and does not exist", row.booking)).of(&row.booking)
        }));
    let outbox = observed.outbox.iter().map(|(schema, rows)| (format!("the outbox of {schema}"), rows));
    let queues = observed.queues.iter().map(|(queue, messages)| (format!("the queue {queue}"), messages));
    let left = outbox.chain(queues).filter(|(_, count)| **count > 0);
    found.extend(left.map(|(what, count)| wrong(format!("{count} messages are left in {what}"))));
    found.extend(mails(facts));
    found
}

/// Who was told was sent a mail, and whoever was sent one was told: a process that died in between leaves
/// it to the next one, which sends the same mail again and marks it.
fn mails(facts: &Facts<'_>) -> Vec<Violation> {
    let observed = facts.observed;
    let told = observed.deliveries.iter().filter(|delivery| delivery.status == "SENT");
    let told: BTreeMap<&str, _> = told.map(|delivery| (delivery.event.as_str(), delivery)).collect();
    let sent: BTreeSet<&str> = observed.mails.iter().map(String::as_str).collect();
    let unsent = told.iter().filter(|(event, _)| !sent.contains(*event)).map(|(event, delivery)| {
        let violation = wrong(format!("`{}` ({event}) is SENT, and there is no mail", delivery.kind));
        delivery.booking.iter().fold(violation, |violation, booking| violation.of(booking))
    });
    let untold = sent.iter().filter(|event| !told.contains_key(*event));
    let untold = untold.map(|event| wrong(format!("there is a mail of {event}, and no delivery is SENT")));
    unsent.chain(untold).collect()
}

fn effects(facts: &Facts<'_>, booking: &Booking) -> Vec<Violation> {
    let mut found = Vec::new();
    let rows: Vec<_> = facts.observed.history.iter().filter(|row| row.booking == booking.id).collect();
    match rows.as_slice() {
        [row] if row.status == booking.status && row.user == booking.user => {}
        [row] => found.push(wrong(format!(
            "{} is {} of {}, in the history {} of {}",
            booking.id, booking.status, booking.user, row.status, row.user
        ))),
        rows => found.push(wrong(format!("{} is in the history {} times", booking.id, rows.len()))),
    }
    for (kind, least, most) in notices(facts, booking) {
        let sent: Vec<&str> = facts
            .observed
            .deliveries
            .iter()
            .filter(|delivery| delivery.kind == kind && delivery.booking.as_ref() == Some(&booking.id))
            .map(|delivery| delivery.status.as_str())
            .collect();
        if !(least..=most).contains(&sent.len()) {
            found.push(wrong(format!(
                "{} ({}): `{kind}` was told {} times instead of {most}",
                booking.id,
                booking.status,
                sent.len()
            )));
        }
        if let Some(status) = sent.iter().find(|status| **status != "SENT") {
            found.push(wrong(format!("{}: the message `{kind}` is {status}", booking.id)));
        }
    }
    found.into_iter().map(|violation| violation.of(&booking.id)).collect()
}

/// How often the buyer is told what: at least and at most.
fn notices(facts: &Facts<'_>, booking: &Booking) -> [(&'static str, usize, usize); 3] {
    // Tickets stay when they are void: there are some exactly when it was confirmed once.
    let confirmed = facts.observed.tickets.iter().any(|ticket| ticket.booking == booking.id)
        || booking.status == "CONFIRMED";
    let refunds = facts
        .observed
        .refunds
        .iter()
        .filter(|refund| refund.booking == booking.id && refund.status == "SUCCEEDED")
        .count();
    let (least, most) = match facts.was(&booking.id, "CANCELLED") {
        Some(cancelled) => (cancelled.into(), cancelled.into()),
        // Without a trail the cause of a refund tells of a cancellation, and nothing tells that there was none.
        None if booking.status == "REFUNDED" => {
            let mut refunds = facts.observed.refunds.iter();
            let cancelled = refunds.any(|refund| refund.booking == booking.id && refund.cause == "CANCELLED");
            (cancelled.into(), 1)
        }
        None => {
            let cancelled = booking.status == "CANCELLED";
            (cancelled.into(), cancelled.into())
        }
    };
    let confirmed = confirmed.into();
    [(CONFIRMED, confirmed, confirmed), (CANCELLED, least, most), (REFUNDED, refunds, refunds)]
}
