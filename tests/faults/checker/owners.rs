//! No two own a seat, at any time; and who owns one has a right to it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, SLACK, Window, owns_seats, seats_at};
use super::{Rule, Violation};
use crate::history::{Action, Millis};
use crate::observed::{Allocation, Booking};

const RULE: Rule = Rule::SeatsTwoOwners;

/// Checks what is left in the tables, and the audit trail.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = allocations(facts);
    found.extend(tickets(facts));
    found.extend(facts.observed.bookings.iter().flat_map(|booking| belongings(facts, booking)));
    found.extend(facts.observed.bookings.iter().flat_map(|booking| seats_kept(facts, booking)));
    found.extend(overlaps(facts));
    found
}

fn allocations(facts: &Facts<'_>) -> Vec<Violation> {
    let mut rows: BTreeMap<(&str, u16), Vec<&Allocation>> = BTreeMap::new();
    for row in &facts.observed.allocations {
        rows.entry((&row.show, row.seat)).or_default().push(row);
    }
    let mut found = Vec::new();
    for ((show, seat), rows) in rows {
        let mut wrong = |what: String| {
            let mut violation = Violation::new(RULE, what).seated(show, &[seat]);
            let ids = rows.iter().flat_map(|row| row.booking.iter().chain(&row.hold));
            violation.ids = ids.cloned().collect();
            found.push(violation);
        };
        if rows.len() > 1 {
            wrong(format!("seat {seat} is allocated {} times", rows.len()));
        }
        for row in &rows {
            let Some(id) = row.booking.as_deref().filter(|_| row.hold.is_none()) else {
                if row.booking.is_some() == row.hold.is_some() {
                    wrong(format!("seat {seat} is allocated to both a booking and a hold, or to neither"));
                }
                continue;
            };
            match facts.bookings.get(id) {
                None => wrong(format!("seat {seat} is allocated to {id}, which does not exist")),
                Some(booking) if !owns_seats(&booking.status) => {
                    wrong(format!("seat {seat} is allocated to {id}, which is {}", booking.status));
                }
                Some(booking) if booking.show != show || !booking.seats.contains(&seat) => {
                    wrong(format!("seat {seat} is allocated to {id}, which is for other seats"));
                }
                Some(booking) if row.sold != (booking.status == "CONFIRMED") => {
                    wrong(format!("seat {seat} of {id}: {}, sold is {}", booking.status, row.sold));
                }
                Some(_) => {}
            }
        }
    }
    found
}

fn tickets(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut valid: BTreeMap<(&str, u16), Vec<&str>> = BTreeMap::new();
    for ticket in &facts.observed.tickets {
        match facts.bookings.get(ticket.booking.as_str()) {
            None => {
                let what = format!("a ticket of {}, which does not exist", ticket.booking);
                found.push(Violation::new(RULE, what).of(&ticket.booking));
            }
            Some(booking) if !ticket.voided => {
                valid.entry((&booking.show, ticket.seat)).or_default().push(&booking.id);
            }
            Some(_) => {}
        }
    }
    for ((show, seat), owners) in valid.into_iter().filter(|(_, owners)| owners.len() > 1) {
        let what = format!("seat {seat} has {} valid tickets", owners.len());
        let mut violation = Violation::new(RULE, what).seated(show, &[seat]);
        violation.ids = owners.into_iter().map(str::to_owned).collect();
        found.push(violation);
    }
    found
}

/// A confirmed booking has all of its seats, sold, with a ticket each; others have none of that.
fn belongings(facts: &Facts<'_>, booking: &Booking) -> Vec<Violation> {
    let wanted: Vec<u16> = if owns_seats(&booking.status) { booking.seats.clone() } else { Vec::new() };
    let rows = facts.observed.allocations.iter();
    let owned: BTreeSet<u16> =
        rows.filter(|row| row.booking.as_deref() == Some(&booking.id)).map(|row| row.seat).collect();
    let mut found = Vec::new();
    let mut wrong = |what: String| {
        found.push(Violation::new(RULE, what).of(&booking.id).seated(&booking.show, &booking.seats));
    };
    if wanted.iter().any(|seat| !owned.contains(seat)) {
        let status = &booking.status;
        wrong(format!("{} is {status} for seats {wanted:?}, but owns {owned:?}", booking.id));
    }
    let tickets = |voided: bool| -> Vec<u16> {
        let tickets = facts.observed.tickets.iter();
        let mut seats: Vec<u16> = tickets
            .filter(|ticket| ticket.booking == booking.id && ticket.voided == voided)
            .map(|ticket| ticket.seat)
            .collect();
        seats.sort_unstable();
        seats
    };
    let (valid, void) = (tickets(false), tickets(true));
    let due: &[u16] = if booking.status == "CONFIRMED" { &booking.seats } else { &[] };
    if valid != due {
        wrong(format!("{} is {}, with valid tickets for {valid:?}", booking.id, booking.status));
    }
    // Issued once, for all seats: a ticket stays when it is void.
    if !void.is_empty() && void != booking.seats {
        wrong(format!("{} has void tickets for {void:?}", booking.id));
    }
    found
}

/// A booking gets other seats only when its payment came late and its buyer agreed, and then as many of
/// the same kinds.
fn seats_kept(facts: &Facts<'_>, booking: &Booking) -> Vec<Violation> {
    let mut found = Vec::new();
    let kinds = |seats: &[u16]| {
        let letters = facts.observed.kinds.get(&booking.show).map_or(&[][..], String::as_bytes);
        let mut kinds: Vec<Option<&u8>> = seats.iter().map(|seat| letters.get(usize::from(*seat))).collect();
        kinds.sort_unstable();
        kinds
    };
    let agreed = facts.checkouts(&booking.hold).iter().any(|call| {
        call.user == booking.user && matches!(call.action, Action::Checkout { equivalent: true, .. })
    });
    for pair in facts.states(&booking.id).windows(2) {
        let [before, after] = pair else { continue };
        let (old, new) = (seats_at(booking, before), seats_at(booking, after));
        if old == new {
            continue;
        }
        let mut wrong = |why: &str| {
            let what = format!("{} moved from {old:?} to {new:?}{why}", booking.id);
            let violation = Violation::new(RULE, what).of(&booking.id).seated(&booking.show, new);
            found.push(violation.at(after.at));
        };
        if !agreed {
            wrong(", and its buyer did not agree");
        }
        if !matches!(after.from.as_deref(), Some("EXPIRED" | "FAILED")) || after.to != "CONFIRMED" {
            wrong(", and not because its payment came late");
        }
        if kinds(old) != kinds(new) {
            wrong(", which are of other kinds");
        }
    }
    if let Some(last) = facts.states(&booking.id).last()
        && seats_at(booking, last) != booking.seats
    {
        let what = format!("{} has {:?}, its trail says {:?}", booking.id, booking.seats, last.seats);
        found.push(Violation::new(RULE, what).of(&booking.id).seated(&booking.show, &booking.seats));
    }
    found
}

/// Times at which two bookings surely owned one seat.
fn overlaps(facts: &Facts<'_>) -> Vec<Violation> {
    let mut spans: BTreeMap<(&str, u16), Vec<(Window, &str)>> = BTreeMap::new();
    for booking in &facts.observed.bookings {
        for (window, seats) in surely_owned(facts, booking) {
            for seat in seats {
                spans.entry((&booking.show, *seat)).or_default().push((window, &booking.id));
            }
        }
    }
    let mut found = Vec::new();
    for ((show, seat), mut spans) in spans {
        spans.sort();
        for pair in spans.windows(2) {
            let [(first, one), (second, other)] = pair else { continue };
            if one != other && first.meets(*second) {
                let what = format!("{one} and {other} both own seat {seat}");
                let violation = Violation::new(RULE, what).of(*one).of(*other).seated(show, &[seat]);
                found.push(violation.at(second.from));
            }
        }
    }
    found
}

/// When a booking had which seats beyond doubt. The trail tells when a change was made, a little
/// before it was committed; by the next change of the same booking it certainly was.
fn surely_owned<'a>(facts: &Facts<'a>, booking: &'a Booking) -> Vec<(Window, &'a [u16])> {
    let states = facts.states(&booking.id);
    let mut windows = Vec::new();
    let mut since: Option<(Millis, &[u16])> = None;
    for (place, entry) in states.iter().enumerate() {
        if owns_seats(&entry.to) {
            let next = states.get(place + 1).map_or(Millis::MAX, |next| next.at + SLACK);
            let by = if place == 0 { facts.claimed_by(booking) } else { next };
            since = since.or((by < Millis::MAX).then_some((by, seats_at(booking, entry))));
        } else if let Some((from, seats)) = since.take() {
            windows.push((Window { from, to: entry.at - SLACK }, seats));
        }
    }
    windows.extend(since.map(|(from, seats)| (Window::since(from), seats)));
    windows.retain(|(window, _)| window.from < window.to);
    windows
}
