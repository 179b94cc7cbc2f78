//! Seat maps tell the truth in the end, watchers missed nothing, and no map ever offered a seat that
//! everybody knew to be sold.

use std::collections::BTreeMap;

use super::facts::{Facts, SLACK, Window, owns_seats};
use super::{Rule, Violation};
use crate::history::{Action, Call, Millis, Outcome};
use crate::observed::Map;

fn wrong(what: impl Into<String>, show: &str, seats: &[u16]) -> Violation {
    Violation::new(Rule::Maps, what).of(show).seated(show, seats)
}

/// Checks the last maps, and those that were read on the way.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> = facts.observed.maps.iter().flat_map(|map| truth(facts, map)).collect();
    found.extend(watchers(facts));
    found.extend(versions(facts));
    found.extend(offers(facts));
    found
}

/// The last map says what PostgreSQL says: nothing is held any more, and what is sold is sold.
fn truth(facts: &Facts<'_>, map: &Map) -> Vec<Violation> {
    let mut found = Vec::new();
    if map.degraded {
        found.push(wrong(format!("the map of {} is still degraded", map.show), &map.show, &[]));
    }
    let rows = facts.observed.allocations.iter().filter(|row| row.show == map.show);
    let rows: BTreeMap<usize, _> = rows.map(|row| (usize::from(row.seat), row)).collect();
    let beyond = rows.keys().filter(|seat| **seat >= map.states.len());
    found.extend(beyond.map(|seat| wrong(format!("seat {seat} is not in the map"), &map.show, &[])));
    for (seat, letter) in map.states.chars().enumerate() {
        let row = rows.get(&seat);
        let expected = match row {
            Some(row) if row.sold => "S",
            Some(_) => "H",
            None => "AB",
        };
        let index = u16::try_from(seat).unwrap_or(u16::MAX);
        if !expected.contains(letter) {
            let owner = row.and_then(|row| row.booking.as_deref().or(row.hold.as_deref()));
            let owner = owner.unwrap_or("nobody");
            let what = format!("seat {seat} is {letter} in the last map, PostgreSQL gives it to {owner}");
            let violation = wrong(what, &map.show, &[index]);
            found.push(if row.is_some() { violation.of(owner) } else { violation });
        }
        if let Some(hold) = row.and_then(|row| row.hold.as_deref()) {
            let what = format!("{hold} outlives its time");
            found.push(wrong(what, &map.show, &[index]).of(hold));
        }
    }
    found
}

/// Each watcher has what a fresh reader gets.
fn watchers(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for watched in &facts.observed.watchers {
        let (id, mine) = (watched.watcher, &watched.map);
        let Some(map) = facts.observed.maps.iter().find(|map| map.show == mine.show) else {
            found.push(wrong(format!("watcher {id} watches a show without a map"), &mine.show, &[]));
            continue;
        };
        if (&mine.epoch, mine.version) != (&map.epoch, map.version) {
            let what = format!(
                "watcher {id} is at {} of {}, the map at {} of {}",
                mine.version, mine.epoch, map.version, map.epoch
            );
            found.push(wrong(what, &map.show, &[]));
        }
        let differ: Vec<u16> = different(&mine.states, &map.states);
        if !differ.is_empty() {
            let what = format!("watcher {id} is wrong about seats {differ:?}");
            found.push(wrong(what, &map.show, &differ));
        }
    }
    found
}

fn different(one: &str, other: &str) -> Vec<u16> {
    let length = one.len().max(other.len());
    let differs = |seat: &usize| one.as_bytes().get(*seat) != other.as_bytes().get(*seat);
    (0..length).filter(differs).filter_map(|seat| u16::try_from(seat).ok()).collect()
}

/// A map that was read.
struct Read<'a> {
    call: &'a Call,
    show: &'a str,
    epoch: &'a str,
    version: i64,
    states: &'a str,
}

fn reads<'a>(facts: &Facts<'a>) -> Vec<Read<'a>> {
    let calls = facts.history.calls.iter();
    calls
        .filter_map(|call| match (&call.action, &call.outcome) {
            (Action::Read { show }, Outcome::Map { epoch, version, states, .. }) => {
                Some(Read { call, show, epoch, version: *version, states })
            }
            _ => None,
        })
        .collect()
}

/// One version of an epoch is one map. A cache that lost writes may count the versions of an epoch again
/// that it had before, and a map may have been kept that was read then: so what is read while that is put
/// right does not count, and of what is read later only epochs that nobody had read before the loss.
fn versions(facts: &Facts<'_>) -> Vec<Violation> {
    let reads = reads(facts);
    let mut begun: BTreeMap<(&str, &str), Millis> = BTreeMap::new();
    for read in &reads {
        let first = begun.entry((read.show, read.epoch)).or_insert(read.call.from);
        *first = read.call.from.min(*first);
    }
    let mut known: BTreeMap<(&str, &str, i64), Read<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for read in reads {
        let lost = facts.last_loss(read.call.from);
        let is_old = lost.is_some_and(|lost| begun.get(&(read.show, read.epoch)) <= Some(&lost));
        if is_old || facts.is_incomplete(Window::of(read.call)) {
            continue;
        }
        let key = (read.show, read.epoch, read.version);
        let Some(first) = known.get(&key) else {
            known.insert(key, read);
            continue;
        };
        let differ = different(first.states, read.states);
        if !differ.is_empty() {
            let what = format!(
                "calls {} and {} read version {} of {} with different seats {differ:?}",
                first.call.no, read.call.no, read.version, read.epoch
            );
            found.push(wrong(what, read.show, &differ).at(read.call.from));
        }
    }
    found
}

/// No map offers a seat of a booking of which a client had been told that it is confirmed, unless the
/// cache was not told yet (so only in calm times) or had lost it, until that is put right.
fn offers(facts: &Facts<'_>) -> Vec<Violation> {
    // From when on it counts, and when it was found out at the earliest.
    let mut known: BTreeMap<&str, (Millis, Millis)> = BTreeMap::new();
    for call in &facts.history.calls {
        let told = match (&call.action, &call.outcome) {
            (Action::Look { booking }, Outcome::Booking { status, .. })
            | (_, Outcome::CheckedOut { booking, status, .. })
                if status == "CONFIRMED" =>
            {
                booking
            }
            _ => continue,
        };
        let calm = (facts.calm_after(call.to), call.from);
        let first = known.entry(told).or_insert(calm);
        *first = calm.min(*first);
    }
    let mut found = Vec::new();
    let reads = reads(facts);
    for (id, (calm, told)) in known {
        let Some(booking) = facts.bookings.get(id) else { continue };
        let cancelled = facts.cancels(id).iter().map(|call| call.from).min();
        let ended = facts.states(id).iter().filter(|entry| !owns_seats(&entry.to)).map(|entry| entry.at);
        // Before it was confirmed it may have ended, too: only what came later counts.
        let ended = ended.filter(|at| *at > told - SLACK).min();
        let until = cancelled.into_iter().chain(ended).min().unwrap_or(Millis::MAX);
        let during = reads.iter().filter(|read| {
            read.show == booking.show
                && read.call.from >= calm
                && read.call.to < until
                && !facts.is_incomplete(Window::of(read.call))
        });
        for read in during {
            let offered = |seat: &u16| read.states.as_bytes().get(usize::from(*seat)) == Some(&b'A');
            let seats: Vec<u16> = booking.seats.iter().copied().filter(offered).collect();
            if !seats.is_empty() {
                let what = format!("call {} read seats {seats:?} as available, {id} has them", read.call.no);
                found.push(wrong(what, &booking.show, &seats).of(id).at(read.call.from));
            }
        }
    }
    found
}
