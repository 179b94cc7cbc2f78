//! What all rules need to look up: the round by hold, booking and show, and how calm it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Action, Call, Fault, History, Millis, Outcome};
use crate::observed::{AuditEntry, Booking, Observed};

/// How far the clocks of PostgreSQL, Redis and clients can be apart: they run on one machine.
pub(super) const SLACK: Millis = 50;
/// Without faults, what was committed has reached Redis and everybody else after this time; it is
/// long enough for a process that died to be back.
const CALM: Millis = 5_000;
/// After Redis is back from a loss, what it lost stays lost; after this time nothing more goes.
const LOSS_SETTLES: Millis = 5_000;

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    pub from: Millis,
    pub to: Millis,
}

impl Window {
    pub(super) const fn since(from: Millis) -> Self {
        Self { from, to: Millis::MAX }
    }

    pub(super) const fn of(call: &Call) -> Self {
        Self { from: call.from, to: call.to }
    }

    /// Its first moment that is not before `time`.
    pub(super) fn enter(self, time: Millis) -> Option<Millis> {
        let at = self.from.max(time);
        (at <= self.to).then_some(at)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// An answer that says that a hold lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    pub call: &'a Call,
    pub seats: &'a [u16],
    pub until: Millis,
}

/// A hold that clients were told of.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    pub id: &'a str,
    pub show: &'a str,
    /// Whose token made it.
    pub user: &'a str,
    /// PostgreSQL has it.
    pub durable: bool,
    /// Before this moment nobody had asked for it: the first request with its key.
    pub begun: Millis,
    /// What was said of it, in the order of the requests.
    pub held: Vec<Held<'a>>,
}

impl Hold<'_> {
    /// Seats that it has according to all answers. One that was made anew after a loss may have
    /// others than before.
    pub(super) fn firm_seats(&self) -> BTreeSet<u16> {
        let mut seats: BTreeSet<u16> = self.any_seats();
        for held in &self.held {
            seats.retain(|seat| held.seats.contains(seat));
        }
        seats
    }

    /// Seats that it has according to some answer.
    pub(super) fn any_seats(&self) -> BTreeSet<u16> {
        self.held.iter().flat_map(|held| held.seats).copied().collect()
    }

    /// The latest end that was told.
    pub(super) fn last_until(&self) -> Millis {
        self.held.iter().map(|held| held.until).max().unwrap_or(self.begun)
    }
}

/// Somebody whom PostgreSQL gave seats to for some time: a booking or a durable hold.
#[derive(Debug)]
pub(super) struct Owner<'a> {
    pub id: &'a str,
    pub show: &'a str,
    pub seats: &'a [u16],
    /// Not before.
    pub from: Millis,
    /// About when it gave them up; commits may come a little later.
    pub to: Millis,
}

/// The round, indexed.
pub(super) struct Facts<'a> {
    pub history: &'a History,
    pub observed: &'a Observed,
    pub bookings: BTreeMap<&'a str, &'a Booking>,
    pub holds: BTreeMap<&'a str, Hold<'a>>,
    audit: BTreeMap<&'a str, Vec<&'a AuditEntry>>,
    /// When holds gave way to their bookings.
    consumed: BTreeMap<&'a str, Millis>,
    checkouts: BTreeMap<&'a str, Vec<&'a Call>>,
    cancels: BTreeMap<&'a str, Vec<&'a Call>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(history: &'a History, observed: &'a Observed) -> Self {
        let mut facts = Self {
            history,
            observed,
            bookings: observed.bookings.iter().map(|booking| (booking.id.as_str(), booking)).collect(),
            holds: holds(history),
            audit: BTreeMap::new(),
            consumed: BTreeMap::new(),
            checkouts: BTreeMap::new(),
            cancels: BTreeMap::new(),
        };
        for entry in &observed.audit {
            match (entry.entity.as_str(), entry.to.as_str()) {
                ("BOOKING", _) => facts.audit.entry(&entry.id).or_default().push(entry),
                ("HOLD", "CONSUMED") => _ = facts.consumed.entry(&entry.id).or_insert(entry.at),
                _ => {}
            }
        }
        for call in &history.calls {
            match &call.action {
                Action::Checkout { hold, .. } => facts.checkouts.entry(hold).or_default().push(call),
                Action::Cancel { booking, .. } => facts.cancels.entry(booking).or_default().push(call),
                _ => {}
            }
        }
        facts
    }

    /// The booking's changes of state, in their order; none when there is no audit trail.
    pub(super) fn states(&self, booking: &str) -> &[&'a AuditEntry] {
        self.audit.get(booking).map_or(&[], Vec::as_slice)
    }

    /// The seats that the booking was made for.
    pub(super) fn first_seats(&self, booking: &'a Booking) -> &'a [u16] {
        self.states(&booking.id).first().map_or(&booking.seats, |entry| seats_at(booking, entry))
    }

    /// The place among its states of the one with which the booking came to other seats, if it did.
    pub(super) fn moved(&self, booking: &Booking) -> Option<usize> {
        let pairs = self.states(&booking.id).windows(2);
        let mut seats = pairs.map(|pair| pair.iter().map(|entry| seats_at(booking, entry)));
        seats.position(|mut seats| seats.next() != seats.next()).map(|place| place + 1)
    }

    /// Did the audit trail see the booking in this state? `None` when it knows nothing of it.
    pub(super) fn was(&self, booking: &str, state: &str) -> Option<bool> {
        let states = self.states(booking);
        (!states.is_empty()).then(|| states.iter().any(|entry| entry.to == state))
    }

    /// Requests to check out this hold.
    pub(super) fn checkouts(&self, hold: &str) -> &[&'a Call] {
        self.checkouts.get(hold).map_or(&[], Vec::as_slice)
    }

    /// Requests to cancel this booking.
    pub(super) fn cancels(&self, booking: &str) -> &[&'a Call] {
        self.cancels.get(booking).map_or(&[], Vec::as_slice)
    }

    /// Not before this moment did the booking own its seats.
    pub(super) fn claimed_from(&self, booking: &Booking) -> Millis {
        let asked = self.checkouts(&booking.hold).iter().map(|call| call.from).min();
        // Its hold gave way in the same transaction, which may take its time between the two.
        let consumed = self.consumed.get(booking.hold.as_str()).copied();
        let written = self.states(&booking.id).first().map(|entry| entry.at);
        let written = written.into_iter().chain(consumed).min().map(|at| at - SLACK);
        asked.max(written).unwrap_or(Millis::MIN)
    }

    /// At this moment the booking owned its seats already, if that is known: somebody had been told,
    /// or its next change was being made.
    pub(super) fn claimed_by(&self, booking: &Booking) -> Millis {
        let told = self
            .checkouts(&booking.hold)
            .iter()
            .filter(
                |call| matches!(&call.outcome, Outcome::CheckedOut { booking: id, .. } if *id == booking.id),
            )
            .map(|call| call.to);
        let changed = self.states(&booking.id).get(1).map(|entry| entry.at + SLACK);
        told.chain(changed).min().unwrap_or(Millis::MAX)
    }

    /// Everybody whom PostgreSQL gave seats to.
    pub(super) fn owners(&self) -> Vec<Owner<'a>> {
        let bookings = self.observed.bookings.iter().flat_map(|booking| self.stays(booking));
        let holds = self.holds.values().filter(|hold| hold.durable).flat_map(|hold| {
            hold.held.iter().map(|held| Owner {
                id: hold.id,
                show: hold.show,
                seats: held.seats,
                from: hold.begun,
                to: hold.last_until(),
            })
        });
        // Also those whose answer got lost.
        let entries = || self.observed.audit.iter().filter(|entry| entry.entity == "HOLD");
        let audited = entries().filter(|entry| entry.from.is_none()).map(|entry| Owner {
            id: &entry.id,
            show: &entry.show,
            seats: &entry.seats,
            from: entry.at - SLACK,
            to: entries()
                .filter(|end| end.id == entry.id && end.from.is_some())
                .map(|end| end.at)
                .max()
                .unwrap_or(Millis::MAX),
        });
        bookings.chain(holds).chain(audited).collect()
    }

    /// A booking as an owner: of its first seats, and of those to which it moved.
    fn stays(&self, booking: &'a Booking) -> Vec<Owner<'a>> {
        let states = self.states(&booking.id);
        let owner = |seats, from, states: &[&AuditEntry]| Owner {
            id: &booking.id,
            show: &booking.show,
            seats,
            from,
            to: match states {
                [.., last] if !owns_seats(&last.to) => {
                    let ends = |entry: &&&AuditEntry| entry.from.as_deref().is_some_and(owns_seats);
                    states.iter().rfind(ends).map_or(Millis::MAX, |entry| entry.at)
                }
                _ => Millis::MAX,
            },
        };
        let (before, after) = states.split_at(self.moved(booking).unwrap_or(states.len()));
        let mut stays = vec![owner(self.first_seats(booking), self.claimed_from(booking), before)];
        stays.extend(after.first().map(|moved| owner(seats_at(booking, moved), moved.at - SLACK, after)));
        stays
    }

    /// When the trail says that a hold made way for captured money, if there was such money: for a
    /// booking that had ended with some of its seats. (Somebody may have been faster to take them.)
    pub(super) fn outranked(&self, hold: &Hold<'_>) -> Option<Millis> {
        let seats = hold.any_seats();
        let paid = |booking: &Booking| {
            let payments = self.observed.payments.iter();
            payments
                .filter(|payment| payment.booking == booking.id)
                .any(|payment| payment.status == "SUCCEEDED")
        };
        let money = self.observed.bookings.iter().any(|booking| {
            // Nobody makes way for one that moves.
            let wanted = self.first_seats(booking);
            let meets = booking.show == hold.show && wanted.iter().any(|seat| seats.contains(seat));
            meets && paid(booking) && self.was(&booking.id, "EXPIRED") == Some(true)
        });
        let mut entries = self.observed.audit.iter().filter(|entry| entry.id == hold.id);
        let entry = entries.find(|entry| entry.to == "LOST" && entry.reason == "outranked")?;
        money.then_some(entry.at - SLACK)
    }

    /// When the cache may have lost holds.
    pub(super) fn losses(&self) -> Vec<Window> {
        let window = |fault: &Fault| Window { from: fault.from - SLACK, to: fault.to + LOSS_SETTLES };
        self.losing().map(window).collect()
    }

    fn losing(&self) -> impl Iterator<Item = &'a Fault> {
        self.history.faults.iter().filter(|fault| fault.lost_redis)
    }

    /// Had the cache lost something before `time`?
    pub(super) fn lost_before(&self, time: Millis) -> bool {
        self.losing().any(|fault| fault.from <= time)
    }

    /// Was the cache losing something, or had it lost something that nobody had come to put right? That
    /// is done some time after everything works again: who watches a show does so at once, and the
    /// reconciliation for shows that nobody watches.
    pub(super) fn is_incomplete(&self, during: Window) -> bool {
        self.losing().any(|fault| fault.from <= during.to && during.from <= self.calm_after(fault.to))
    }

    /// When the cache had last lost something before `time`, if it had.
    pub(super) fn last_loss(&self, time: Millis) -> Option<Millis> {
        self.losing().map(|fault| fault.to).filter(|to| *to <= time).max()
    }

    /// When some process may have had a wrong clock: one that is stopped meanwhile keeps it for longer
    /// than the fault lasts.
    pub(super) fn wrong_clocks(&self) -> Vec<Window> {
        let faults = self.history.faults.iter().filter(|fault| fault.kind.contains("clock"));
        faults.map(|fault| Window::since(fault.from - SLACK)).collect()
    }

    /// What comes back of an amount that was paid, when its buyer cancels: one of these. Of a show that
    /// was called off all comes back, as soon as whoever is asked knows that.
    pub(super) fn comes_back(&self, booking: &Booking, paid_minor: i64) -> Vec<i64> {
        let Some(off) = self.show_cancelled(&booking.show) else {
            return vec![booking.comes_back(paid_minor)];
        };
        let mut amounts = vec![paid_minor];
        // What a process knows of a show may be some seconds old.
        let heard = self.calm_after(off);
        let unaware = |call: &&Call| call.from <= heard && !matches!(call.outcome, Outcome::Refused { .. });
        if self.cancels(&booking.id).iter().any(unaware) {
            amounts.push(booking.comes_back(paid_minor));
        }
        amounts
    }

    /// When the show was called off, if it was.
    pub(super) fn show_cancelled(&self, show: &str) -> Option<Millis> {
        self.called_off().find(|(cancelled, _)| *cancelled == show).map(|(_, at)| at)
    }

    /// The shows that were called off, and when (at the earliest). Without a trail, those that somebody
    /// wanted to be.
    pub(super) fn called_off(&self) -> impl Iterator<Item = (&'a str, Millis)> {
        let entries = self.observed.audit.iter();
        let cancelled = entries.filter(|entry| entry.entity == "SHOW" && entry.to == "CANCELLED");
        let cancelled = cancelled.map(|entry| (entry.show.as_str(), entry.at - SLACK));
        let calls = self.history.calls.iter().filter(|_| self.observed.audit.is_empty());
        let wanted = calls.filter_map(|call| match &call.action {
            Action::CallOff { show } => Some((show.as_str(), call.from)),
            _ => None,
        });
        cancelled.chain(wanted)
    }

    /// Requests to call this show off.
    pub(super) fn calls_off(&self, wanted: &str) -> impl Iterator<Item = &'a Call> {
        let calls = self.history.calls.iter();
        calls.filter(move |call| matches!(&call.action, Action::CallOff { show } if show == wanted))
    }

    /// Did a fault overlap this?
    pub(super) fn disturbed(&self, window: Window) -> bool {
        self.history.faults.iter().any(|fault| Window { from: fault.from, to: fault.to }.meets(window))
    }

    /// When everybody has heard of what was committed at `time`: some time without faults later.
    pub(super) fn calm_after(&self, time: Millis) -> Millis {
        let mut calm = time.saturating_add(CALM);
        while let Some(fault) = self
            .history
            .faults
            .iter()
            .find(|fault| fault.from <= calm && fault.to.saturating_add(CALM) > calm)
        {
            calm = fault.to.saturating_add(CALM);
        }
        calm
    }
}

/// The seats that a booking had in this state, or wanted.
pub(super) fn seats_at<'a>(booking: &'a Booking, entry: &'a AuditEntry) -> &'a [u16] {
    if entry.seats.is_empty() { &booking.seats } else { &entry.seats }
}

/// Does a booking in this state own seats?
pub(super) fn owns_seats(state: &str) -> bool {
    matches!(state, "PENDING_PAYMENT" | "CONFIRMED")
}

/// The show, the user and the key of a request to hold: what the id of the hold follows from.
pub(super) fn hold_request(call: &Call) -> Option<(&str, &str, &str)> {
    match &call.action {
        Action::Hold { show, key, .. } | Action::HoldBest { show, key, .. } => Some((show, &call.user, key)),
        _ => None,
    }
}

fn holds(history: &History) -> BTreeMap<&str, Hold<'_>> {
    let mut asked: BTreeMap<(&str, &str, &str), Millis> = BTreeMap::new();
    for call in &history.calls {
        if let Some(request) = hold_request(call) {
            let first = asked.entry(request).or_insert(call.from);
            *first = call.from.min(*first);
        }
    }
    let mut holds: BTreeMap<&str, Hold<'_>> = BTreeMap::new();
    for call in &history.calls {
        let (Some(request), Outcome::Held { hold, durable, .. }) = (hold_request(call), &call.outcome) else {
            continue;
        };
        let begun = asked.get(&request).copied().unwrap_or(call.from);
        let (show, user, _) = request;
        let hold = holds.entry(hold).or_insert_with(|| Hold {
            id: hold,
            show,
            user,
            durable: false,
            begun,
            held: Vec::new(),
        });
        hold.begun = hold.begun.min(begun);
        hold.durable |= durable;
    }
    for call in &history.calls {
        if let Outcome::Held { hold, seats, until, .. } = &call.outcome
            && let Some(hold) = holds.get_mut(hold.as_str())
        {
            hold.held.push(Held { call, seats, until: *until });
        }
    }
    holds
}
