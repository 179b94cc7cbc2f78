//! When the faults are over everything comes to its end, and the audit trail tells how.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::{Rule, Violation};
use crate::observed::AuditEntry;

fn wrong(what: impl Into<String>) -> Violation {
    Violation::new(Rule::Settled, what)
}

/// Checks that nothing is under way, and that nothing happened that never should.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let observed = facts.observed;
    let mut found = Vec::new();
    if observed.settled_ms.is_none() {
        found.push(wrong("the time to settle was over first"));
    }
    if observed.deadlocks > 0 {
        found.push(wrong(format!("PostgreSQL broke {} deadlocks", observed.deadlocks)));
    }
    found.extend(observed.alarms.iter().map(|alarm| wrong(format!("alarm: {alarm}"))));
    let bookings = observed.bookings.iter().map(|row| (&row.id, &row.status));
    let refunds = observed.refunds.iter().map(|row| (&row.id, &row.status));
    let payments = observed.payments.iter().map(|row| (&row.id, &row.status));
    let under_way = bookings
        .chain(refunds)
        .chain(payments)
        .filter(|(_, status)| matches!(status.as_str(), "PENDING_PAYMENT" | "PENDING" | "PROCESSING"));
    found.extend(under_way.map(|(id, status)| wrong(format!("{id} is {status} in the end")).of(id)));
    found.extend(trail(facts));
    found
}

/// The trail of each thing is a chain of possible steps, and ends where the thing stands.
fn trail(facts: &Facts<'_>) -> Vec<Violation> {
    let observed = facts.observed;
    let mut trails: BTreeMap<(&str, &str), Vec<&AuditEntry>> = BTreeMap::new();
    for entry in &observed.audit {
        trails.entry((&entry.entity, &entry.id)).or_default().push(entry);
    }
    let mut found = Vec::new();
    for ((entity, id), entries) in &trails {
        let mut state: Option<&str> = None;
        for entry in entries {
            // A show was there before its first change.
            let begins = *entity == "SHOW" && state.is_none();
            if !begins && entry.from.as_deref() != state {
                let (from, state) = (entry.from.as_deref().unwrap_or("none"), state.unwrap_or("none"));
                let what = format!("{id} became {} from {from}, its trail says {state}", entry.to);
                found.push(wrong(what).of(*id).at(entry.at));
            }
            if *entity == "BOOKING" && !possible(entry) {
                let from = entry.from.as_deref().unwrap_or("nothing");
                found.push(wrong(format!("{id} became {} from {from}", entry.to)).of(*id).at(entry.at));
            }
            state = Some(&entry.to);
        }
        if *entity == "HOLD" && state == Some("HELD") {
            found.push(wrong(format!("{id} never ended")).of(*id));
        }
    }
    let bookings = observed.bookings.iter().map(|row| ("BOOKING", &row.id, &row.status));
    let refunds = observed.refunds.iter().map(|row| ("REFUND", &row.id, &row.status));
    let payments = observed.payments.iter().map(|row| ("PAYMENT", &row.id, &row.status));
    let stands: Vec<_> = bookings.chain(refunds).chain(payments).collect();
    if trails.is_empty() && !stands.is_empty() {
        found.push(wrong("there is no audit trail"));
        return found;
    }
    for (entity, id, status) in stands {
        let last = trails.get(&(entity, id.as_str())).and_then(|entries| entries.last());
        if last.is_none_or(|entry| entry.to != *status) {
            let last = last.map_or("nothing", |entry| &entry.to);
            found.push(wrong(format!("{id} is {status}, its trail says {last}")).of(id));
        }
    }
    found
}

/// Is this a step in the life of a booking?
fn possible(entry: &AuditEntry) -> bool {
    matches!(
        (entry.from.as_deref(), entry.to.as_str()),
        (None, "PENDING_PAYMENT")
            | (Some("PENDING_PAYMENT"), "CONFIRMED" | "CANCELLED" | "EXPIRED" | "FAILED")
            | (Some("CONFIRMED"), "CANCELLED")
            | (Some("EXPIRED" | "FAILED"), "CONFIRMED" | "REFUNDED")
            | (Some("CANCELLED"), "REFUNDED")
    )
}
