//! The part of a history that a person has to read to understand a violation.

use std::collections::BTreeSet;
use std::fmt;

use chrono::DateTime;

use super::{Rule, Violation};
use crate::history::{Action, Call, Fault, History, Millis, Outcome};

/// Calls shown at most.
const LINES: usize = 40;

/// Calls that touch what a violation is about, in the order of time: those nearest to it.
pub(super) fn relevant<'h>(history: &'h History, violation: &Violation) -> Vec<&'h Call> {
    let ids = related(history, violation);
    let mut ranked: Vec<(bool, Millis, &Call)> = history
        .calls
        .iter()
        .filter_map(|call| {
            let named = ids_of(call).iter().any(|id| ids.contains(*id));
            let touched = touches(call, violation);
            let far = violation.at.map_or(0, |at| if call.to < at { at - call.to } else { call.from - at });
            (named || touched).then_some((!named, far.max(0), call))
        })
        .collect();
    ranked.sort_by_key(|(seats_only, far, call)| (*seats_only, *far, call.no));
    ranked.truncate(LINES);
    let mut calls: Vec<&Call> = ranked.into_iter().map(|(.., call)| call).collect();
    calls.sort_by_key(|call| (call.from, call.no));
    calls
}

/// A violation with its calls and the faults around them, a line each.
pub fn report(history: &History, violation: &Violation) -> String {
    let calls = relevant(history, violation);
    let mut lines: Vec<(Millis, String)> =
        calls.iter().map(|call| (call.from, format!("  {call}"))).collect();
    let begin = calls.iter().map(|call| call.from).min();
    let end = calls.iter().map(|call| call.to).max();
    if let (Some(begin), Some(end)) = (begin, end) {
        let around = history.faults.iter().filter(|fault| fault.from <= end && begin <= fault.to);
        lines.extend(around.map(|fault| (fault.from, format!("  {fault}"))));
    }
    lines.sort();
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    let mut about = violation.ids.join(" ");
    if !about.is_empty() {
        about = format!("\n  about {about}");
    }
    format!("{violation}{about}\n{}", lines.join("\n"))
}

/// What a violation names, and what belongs to that: the hold of a booking, the intent of a payment.
fn related<'h>(history: &'h History, violation: &'h Violation) -> BTreeSet<&'h str> {
    let mut ids: BTreeSet<&str> = violation.ids.iter().map(String::as_str).collect();
    // A show is not a thing that calls share.
    ids.retain(|id| !id.starts_with("show_"));
    for _ in 0..2 {
        for call in &history.calls {
            if let (Action::Checkout { hold, .. }, Outcome::CheckedOut { booking, intent, .. }) =
                (&call.action, &call.outcome)
            {
                let family = [Some(hold), Some(booking), intent.as_ref()];
                if family.iter().flatten().any(|id| ids.contains(id.as_str())) {
                    ids.extend(family.into_iter().flatten().map(String::as_str));
                }
            }
        }
    }
    ids
}

fn ids_of(call: &Call) -> Vec<&str> {
    let mut ids: Vec<&str> = match &call.action {
        Action::Hold { .. }
        | Action::HoldBest { .. }
        | Action::Read { .. }
        | Action::Reprice { .. }
        | Action::CallOff { .. } => Vec::new(),
        Action::Extend { hold } | Action::Release { hold } | Action::Checkout { hold, .. } => vec![hold],
        Action::Pay { booking, intent } => vec![booking, intent],
        Action::Cancel { booking, .. } | Action::Look { booking } => vec![booking],
    };
    match &call.outcome {
        Outcome::Held { hold, .. } => ids.push(hold),
        Outcome::CheckedOut { booking, .. } => ids.push(booking),
        _ => {}
    }
    ids
}

/// Is this call about one of the violation's seats?
fn touches(call: &Call, violation: &Violation) -> bool {
    let about = |show: &str, seats: &[u16]| {
        violation.seats.iter().any(|(wanted, seat)| wanted == show && seats.contains(seat))
    };
    match (&call.action, &call.outcome) {
        (Action::Hold { show, seats, .. }, _) => about(show, seats),
        (Action::HoldBest { show, .. }, Outcome::Held { seats, .. }) => about(show, seats),
        (Action::CallOff { show }, _) => {
            violation.rule == Rule::ShowCancelled && violation.ids.contains(show)
        }
        (Action::Read { show }, _) => {
            violation.rule == Rule::Maps && violation.seats.iter().any(|(wanted, _)| wanted == show)
        }
        _ => false,
    }
}

/// The time of day, as in the logs.
struct Time(Millis);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => write!(f, "{}", time.format("%H:%M:%S%.3f")),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { no, actor, user, from, to, action, outcome } = self;
        let took = to.saturating_sub(*from);
        write!(f, "{} +{took} ms  call {no} actor {actor} {user}: {action} -> {outcome}", Time(*from))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, target, from, to, lost_redis, .. } = self;
        let lost = if *lost_redis { ", Redis lost data" } else { "" };
        write!(f, "{} to {}  *** {kind} {target}{lost}", Time(*from), Time(*to))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold { show, seats, key } => write!(f, "hold {seats:?} of {show} key {key}"),
            Self::HoldBest { show, quantity, key } => {
                write!(f, "hold the best {quantity} of {show} key {key}")
            }
            Self::Extend { hold } => write!(f, "extend {hold}"),
            Self::Release { hold } => write!(f, "release {hold}"),
            Self::Checkout { hold, key, equivalent } => {
                let consent = if *equivalent { ", others will do" } else { "" };
                write!(f, "check out {hold} key {key}{consent}")
            }
            Self::Pay { booking, intent } => write!(f, "pay {intent} of {booking}"),
            Self::Cancel { booking, key } => write!(f, "cancel {booking} key {key}"),
            Self::Read { show } => write!(f, "read {show}"),
            Self::Look { booking } => write!(f, "look at {booking}"),
            Self::Reprice { show, price } => write!(f, "reprice {show} at {price}"),
            Self::CallOff { show } => write!(f, "call {show} off"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { hold, seats, until, durable } => {
                let mode = if *durable { " durable" } else { "" };
                write!(f, "{hold}{mode} {seats:?} until {}", Time(*until))
            }
            Self::Released => f.write_str("released"),
            Self::CheckedOut { booking, seats, status, intent } => {
                write!(f, "{booking} {status} {seats:?} {}", intent.as_deref().unwrap_or("no intent"))
            }
            Self::Paid { processing } => f.write_str(if *processing { "processing" } else { "paid" }),
            Self::Cancelled { refund_minor } => write!(f, "cancelled, {refund_minor} comes back"),
            Self::Map { epoch, version, states, degraded } => {
                let mode = if *degraded { " degraded" } else { "" };
                write!(f, "{version} of {epoch}{mode} {states}")
            }
            Self::Booking { status, tickets } => write!(f, "{status}, {tickets} tickets"),
            Self::ShowChanged => f.write_str("done"),
            Self::Refused { code, seats } => write!(f, "refused {code} {seats:?}"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}
