//! A captured payment ends in tickets or in one refund, of all of it unless its buyer cancelled late,
//! and no money moves without a cause.
//!
//! The provider's books are the truth; ours have to agree with them.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::{Rule, Violation};
use crate::history::Outcome;
use crate::observed::{Booking, Intent, Payment, ProviderRefund, Refund};

/// Checks each intent, refund and booking.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let books = Books::new(facts);
    let mut found: Vec<Violation> =
        facts.observed.intents.iter().flat_map(|intent| intent_kept(&books, intent)).collect();
    found.extend(facts.observed.bookings.iter().flat_map(|booking| booking_paid(&books, booking)));
    found.extend(facts.observed.payments.iter().filter_map(|payment| payment_known(&books, payment)));
    found.extend(facts.observed.refunds.iter().flat_map(|refund| refund_right(&books, refund)));
    found.extend(facts.observed.provider_refunds.iter().filter_map(|refund| refund_ours(&books, refund)));
    found
}

/// The books of both sides, by intent.
struct Books<'f, 'a> {
    facts: &'f Facts<'a>,
    intents: BTreeMap<&'a str, &'a Intent>,
    payments: BTreeMap<&'a str, Vec<&'a Payment>>,
    /// By our payment.
    refunds: BTreeMap<&'a str, Vec<&'a Refund>>,
    /// Those that were not turned down.
    returned: BTreeMap<&'a str, Vec<&'a ProviderRefund>>,
}

fn wrong(what: impl Into<String>, ids: &[&str]) -> Violation {
    let mut violation = Violation::new(Rule::Money, what);
    violation.ids = ids.iter().map(|id| (*id).to_owned()).collect();
    violation
}

fn group<'a, T>(
    rows: &'a [T],
    wanted: impl Fn(&T) -> bool,
    key: impl Fn(&'a T) -> &'a str,
) -> BTreeMap<&'a str, Vec<&'a T>> {
    let mut groups: BTreeMap<&str, Vec<&T>> = BTreeMap::new();
    for row in rows.iter().filter(|row| wanted(row)) {
        groups.entry(key(row)).or_default().push(row);
    }
    groups
}

impl<'f, 'a> Books<'f, 'a> {
    fn new(facts: &'f Facts<'a>) -> Self {
        let observed = facts.observed;
        let counts = |refund: &ProviderRefund| matches!(refund.status.as_str(), "succeeded" | "pending");
        Self {
            facts,
            intents: observed.intents.iter().map(|intent| (intent.id.as_str(), intent)).collect(),
            payments: group(&observed.payments, |_| true, |payment| &payment.intent),
            refunds: group(&observed.refunds, |_| true, |refund| &refund.payment),
            returned: group(&observed.provider_refunds, counts, |refund| &refund.intent),
        }
    }

    fn payments(&self, intent: &str) -> &[&'a Payment] {
        self.payments.get(intent).map_or(&[], Vec::as_slice)
    }

    fn refunds(&self, payment: &str) -> &[&'a Refund] {
        self.refunds.get(payment).map_or(&[], Vec::as_slice)
    }

    fn returned(&self, intent: &str) -> &[&'a ProviderRefund] {
        self.returned.get(intent).map_or(&[], Vec::as_slice)
    }

    /// What has to come back when an intent is refunded for this cause: one of these amounts.
    fn due(&self, intent: &Intent, cause: &str) -> Vec<i64> {
        let booking = intent.booking.as_deref().and_then(|id| self.facts.bookings.get(id));
        match (cause, booking) {
            ("CANCELLED", Some(booking)) => self.facts.comes_back(booking, intent.received_minor),
            _ => vec![intent.received_minor],
        }
    }

    /// Why we give an intent back.
    fn cause(&self, intent: &str) -> &'a str {
        let refunds = self.payments(intent).iter().flat_map(|payment| self.refunds(&payment.id));
        refunds.map(|refund| refund.cause.as_str()).next().unwrap_or_default()
    }

    /// Money that the provider took for a booking.
    fn captured(&self, booking: &str) -> Vec<&'a Intent> {
        let intents = self.facts.observed.intents.iter();
        intents
            .filter(|intent| intent.booking.as_deref() == Some(booking) && intent.received_minor > 0)
            .collect()
    }
}

/// Money that was taken is known to us, for the right booking, and went back once at most.
fn intent_kept(books: &Books<'_, '_>, intent: &Intent) -> Vec<Violation> {
    let mut found = Vec::new();
    let (id, payments, returned) = (&intent.id, books.payments(&intent.id), books.returned(&intent.id));
    let booking = intent.booking.as_deref().unwrap_or("no booking");
    let ids = [id.as_str(), booking];
    if payments.len() > 1 {
        found.push(wrong(format!("{id} is {} payments", payments.len()), &ids));
    }
    for payment in payments {
        let captured = intent.received_minor > 0;
        if (payment.status == "SUCCEEDED") != captured {
            let received = intent.received_minor;
            found.push(wrong(format!("{id} received {received}, our payment is {}", payment.status), &ids));
        }
        if (payment.status == "CANCELLED") != (intent.status == "canceled") {
            found.push(wrong(format!("{id} is {}, our payment is {}", intent.status, payment.status), &ids));
        }
        if captured && payment.amount_minor != intent.received_minor {
            let (ours, theirs) = (payment.amount_minor, intent.received_minor);
            found.push(wrong(format!("{id} received {theirs}, our payment says {ours}"), &ids));
        }
        if intent.booking.as_ref().is_some_and(|booking| *booking != payment.booking) {
            found.push(wrong(format!("{id} is for {booking}, our payment for {}", payment.booking), &ids));
        }
    }
    let sum: i64 = returned.iter().map(|refund| refund.amount_minor).sum();
    if returned.len() > 1 || sum > intent.received_minor {
        let (count, received) = (returned.len(), intent.received_minor);
        found.push(wrong(format!("{id} received {received}, {count} refunds gave {sum} back"), &ids));
    }
    if intent.received_minor > 0 {
        if !intent.booking.as_deref().is_some_and(|id| books.facts.bookings.contains_key(id)) {
            found.push(wrong(format!("{id} was paid for {booking}, which does not exist"), &ids));
        }
        if payments.is_empty() {
            found.push(wrong(format!("{id} was paid, and we do not know of it"), &ids));
        }
    }
    found
}

/// A confirmed booking keeps exactly one payment, of its full price; any other money went back.
fn booking_paid(books: &Books<'_, '_>, booking: &Booking) -> Vec<Violation> {
    let mut found = Vec::new();
    let captured = books.captured(&booking.id);
    let (kept, gone): (Vec<&Intent>, Vec<&Intent>) =
        captured.iter().partition(|intent| books.returned(&intent.id).is_empty());
    let name = format!("{} ({})", booking.id, booking.status);
    let intents = |of: &[&Intent]| of.iter().map(|intent| intent.id.clone()).collect::<Vec<_>>();
    let mut report = |what: String, of: &[&Intent]| {
        let mut violation = wrong(what, &[&booking.id]).seated(&booking.show, &booking.seats);
        violation.ids.extend(intents(of));
        found.push(violation);
    };
    let confirmed = booking.status == "CONFIRMED";
    if confirmed && booking.total_minor > 0 {
        match kept.as_slice() {
            [] => report(format!("{name} has tickets, and no payment was kept"), &gone),
            [intent] if intent.received_minor != booking.total_minor => {
                let (received, total) = (intent.received_minor, booking.total_minor);
                report(format!("{name} costs {total}, {received} was paid"), &kept);
            }
            [_] => {}
            [_, ..] => report(format!("{name} was paid {} times, nothing went back", kept.len()), &kept),
        }
    } else if !kept.is_empty() {
        report(format!("{name} was paid, got no tickets, and nothing went back"), &kept);
    }
    for intent in &gone {
        let returned: i64 = books.returned(&intent.id).iter().map(|refund| refund.amount_minor).sum();
        let due = books.due(intent, books.cause(&intent.id));
        if !due.contains(&returned) {
            report(format!("{name}: {returned} went back instead of {due:?}"), &[intent]);
        }
    }
    if !captured.is_empty() && !confirmed && booking.status != "REFUNDED" {
        report(format!("{name} was paid; it ends neither confirmed nor refunded"), &captured);
    }
    if booking.status == "REFUNDED" && gone.is_empty() {
        report(format!("{name}, but nothing went back"), &captured);
    }
    let tickets = facts_tickets(books.facts, booking);
    let paid = captured.iter().any(|intent| intent.received_minor == booking.total_minor);
    if tickets && booking.total_minor > 0 && !paid {
        report(format!("{name} got tickets, and its price was never paid"), &captured);
    }
    found
}

fn facts_tickets(facts: &Facts<'_>, booking: &Booking) -> bool {
    facts.observed.tickets.iter().any(|ticket| ticket.booking == booking.id)
}

/// Each payment of ours is one of the provider's.
fn payment_known(books: &Books<'_, '_>, payment: &Payment) -> Option<Violation> {
    (!books.intents.contains_key(payment.intent.as_str())).then(|| {
        let what = format!("{} is for {}, which the provider does not know", payment.id, payment.intent);
        wrong(what, &[&payment.id, &payment.booking, &payment.intent])
    })
}

/// Each refund of ours is one of the provider's, alone, of a captured payment, and has its cause.
fn refund_right(books: &Books<'_, '_>, refund: &Refund) -> Vec<Violation> {
    let mut found = Vec::new();
    let ids = [refund.id.as_str(), refund.booking.as_str(), refund.payment.as_str()];
    let id = &refund.id;
    if books.refunds(&refund.payment).len() > 1 {
        found.push(wrong(format!("{} is refunded by several refunds", refund.payment), &ids));
    }
    let payment = books.facts.observed.payments.iter().find(|payment| payment.id == refund.payment);
    let intent = payment.and_then(|payment| books.intents.get(payment.intent.as_str()));
    match intent {
        None => found.push(wrong(format!("{id} returns a payment that does not exist"), &ids)),
        Some(intent) if intent.received_minor == 0 => {
            found.push(wrong(format!("{id} returns {}, which was never paid", intent.id), &ids));
        }
        Some(intent) if !books.due(intent, &refund.cause).contains(&refund.amount_minor) => {
            let (part, due) = (refund.amount_minor, books.due(intent, &refund.cause));
            found.push(wrong(format!("{id} returns {part} instead of {due:?}"), &ids));
        }
        Some(intent) => {
            let theirs = books.returned(&intent.id).first();
            let agreed = theirs.is_some_and(|theirs| {
                refund.provider_refund.as_ref() == Some(&theirs.id)
                    && theirs.amount_minor == refund.amount_minor
                    && (refund.status == "SUCCEEDED") == (theirs.status == "succeeded")
            });
            if refund.status == "FAILED" || !agreed {
                let theirs = theirs.map_or("none", |theirs| &theirs.status);
                found.push(wrong(format!("{id} is {}, the provider's is {theirs}", refund.status), &ids));
            }
        }
    }
    if !has_cause(books, refund, intent.copied()) {
        found.push(wrong(format!("{id} has the cause {}, but that did not happen", refund.cause), &ids));
    }
    found
}

fn has_cause(books: &Books<'_, '_>, refund: &Refund, intent: Option<&Intent>) -> bool {
    let facts = books.facts;
    let Some(booking) = facts.bookings.get(refund.booking.as_str()) else { return false };
    match refund.cause.as_str() {
        "CANCELLED" => {
            let cancels = facts.cancels(&booking.id);
            cancels.iter().any(|call| !matches!(call.outcome, Outcome::Refused { .. }))
        }
        "SHOW_CANCELLED" => facts.observed.audit.is_empty() || facts.show_cancelled(&booking.show).is_some(),
        "LATE_PAYMENT" => {
            ["EXPIRED", "FAILED", "CANCELLED"].iter().any(|end| facts.was(&booking.id, end).unwrap_or(true))
        }
        "UNEXPECTED_PAYMENT" => {
            books.captured(&booking.id).len() > 1
                || intent.is_some_and(|intent| intent.received_minor != booking.total_minor)
        }
        _ => true,
    }
}

/// Each refund of the provider's was asked for by us.
fn refund_ours(books: &Books<'_, '_>, refund: &ProviderRefund) -> Option<Violation> {
    let ours = &books.facts.observed.refunds;
    (!ours.iter().any(|ours| ours.provider_refund.as_ref() == Some(&refund.id))).then(|| {
        let what =
            format!("the provider gave {} back by {}, and we do not know of it", refund.intent, refund.id);
        wrong(what, &[&refund.id, &refund.intent])
    })
}
