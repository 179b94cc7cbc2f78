//! What is known about one seat: steps that were taken, and what may have happened besides.

use std::collections::BTreeMap;

use super::super::facts::{Facts, Held, SLACK, Window};
use super::search::Taken;
use super::seat::{BookingChances, HoldChances, Index, Seat, State, Step};
use crate::history::{Action, Call, Millis, Outcome};

/// After everything else.
const END: Millis = Millis::MAX;

/// A search to be done.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub seat: Seat,
    pub steps: Vec<Taken<Step>>,
    pub holds: Vec<&'a str>,
    pub bookings: Vec<&'a str>,
}

/// The plans of all seats, by show and seat.
pub(super) type Plans<'a> = BTreeMap<(&'a str, u16), Plan<'a>>;

impl<'a> Plan<'a> {
    /// The place of a hold, with what may have happened to it.
    pub(super) fn hold(&mut self, id: &'a str, chances: &HoldChances) -> Index {
        self.holds.iter().position(|hold| *hold == id).unwrap_or_else(|| {
            self.holds.push(id);
            self.seat.holds.push(chances.clone());
            self.holds.len() - 1
        })
    }

    /// The place of a hold that is known to this seat.
    pub(super) fn known_hold(&self, id: &str) -> Option<Index> {
        self.holds.iter().position(|hold| *hold == id)
    }

    /// The place of a booking, with what may have happened to it.
    pub(super) fn booking(&mut self, id: &'a str, chances: &BookingChances) -> Index {
        self.bookings.iter().position(|booking| *booking == id).unwrap_or_else(|| {
            self.bookings.push(id);
            self.seat.bookings.push(chances.clone());
            self.bookings.len() - 1
        })
    }

    /// This happened, at some moment of the window.
    pub(super) fn take(&mut self, step: Step, window: Window) {
        let window = match step {
            Step::Remain { .. } => Window { from: END, to: END },
            _ => Window { to: window.to.min(END - 1), ..window },
        };
        self.steps.push(Taken { step, window });
    }

    /// A step, for a person.
    pub(super) fn tell(&self, step: &Step) -> String {
        let hold = |index: Index| self.holds.get(index).copied().unwrap_or("a hold");
        let booking = |index: Index| self.bookings.get(index).copied().unwrap_or("a booking");
        match *step {
            Step::Hold { hold: index, .. } => format!("{} to get the seat, or to have it", hold(index)),
            Step::Extend { hold: index, .. } => format!("{} to be extended", hold(index)),
            Step::Release { hold: index } => format!("{} to be released", hold(index)),
            Step::Find { hold: index } => format!("a checkout to find {} alive", hold(index)),
            Step::Claim { booking: index, hold: None } => format!("{} to claim the seat", booking(index)),
            Step::Claim { booking: index, hold: Some(from) } => {
                format!("{} to claim the seat of {}", booking(index), hold(from))
            }
            Step::Reclaim { booking: index } => format!("{} to take the seat back", booking(index)),
            Step::End { booking: index } => format!("{} to give the seat up", booking(index)),
            Step::Remain { booking: Some(index) } => {
                format!("{} to have the seat in the end", booking(index))
            }
            Step::Remain { booking: None } => "the seat to be free in the end".to_owned(),
        }
    }

    /// A state, for a person.
    pub(super) fn tell_state(&self, state: &State) -> String {
        match *state {
            State::Free => "nobody has it".to_owned(),
            State::Held { hold, .. } => format!("{} has it", self.holds.get(hold).unwrap_or(&"a hold")),
            State::Owned(booking) => {
                format!("{} has it", self.bookings.get(booking).unwrap_or(&"a booking"))
            }
        }
    }

    /// What a step and a state are about.
    pub(super) fn about(&self, step: &Step, state: &State) -> Vec<String> {
        let (mut holds, mut bookings) = (Vec::new(), Vec::new());
        match *step {
            Step::Hold { hold, .. }
            | Step::Extend { hold, .. }
            | Step::Release { hold }
            | Step::Find { hold } => holds.push(hold),
            Step::Claim { booking, hold } => {
                bookings.push(booking);
                holds.extend(hold);
            }
            Step::Reclaim { booking } | Step::End { booking } => bookings.push(booking),
            Step::Remain { booking } => bookings.extend(booking),
        }
        match *state {
            State::Free => {}
            State::Held { hold, .. } => holds.push(hold),
            State::Owned(booking) => bookings.push(booking),
        }
        let holds = holds.into_iter().filter_map(|hold| self.holds.get(hold));
        let bookings = bookings.into_iter().filter_map(|booking| self.bookings.get(booking));
        let mut about: Vec<String> = holds.chain(bookings).map(|id| (*id).to_owned()).collect();
        about.sort();
        about.dedup();
        about
    }
}

/// Whether a hold may have ended at the request of a client of whom nobody knows, and whether its
/// end may have been moved.
pub(super) fn requests_about(facts: &Facts<'_>, hold: &str) -> HoldChances {
    let mut chances = HoldChances::default();
    for call in &facts.history.calls {
        let since = Window::since(call.from);
        match (&call.action, &call.outcome) {
            (_, Outcome::Refused { .. }) => {}
            (Action::Release { hold: id }, _) if id == hold && !is_release(facts, call) => {
                chances.ends.push(since);
            }
            // A connection that broke: what was sent before may arrive after what was sent again.
            (Action::Extend { hold: id }, outcome)
                if id == hold
                    && (matches!(outcome, Outcome::Unknown { .. }) || facts.disturbed(Window::of(call))) =>
            {
                chances.extends.push(since);
            }
            _ => {}
        }
    }
    chances
}

/// Is this certainly the request that released its hold? A repetition is told the same.
pub(super) fn is_release(facts: &Facts<'_>, call: &Call) -> bool {
    let others = || {
        facts.history.calls.iter().filter(|other| {
            other.no != call.no
                && other.action == call.action
                && !matches!(other.outcome, Outcome::Refused { .. })
        })
    };
    call.outcome == Outcome::Released && others().all(|other| other.from > call.to)
}

/// The step behind an answer that says that a hold lives. `exact`: nobody's clock was wrong.
pub(super) fn held_step(hold: Index, held: &Held<'_>, exact: bool) -> (Step, Window) {
    let (lapses, lives) = if exact {
        (held.until - SLACK, held.until.saturating_add(SLACK))
    } else {
        (Millis::MIN, Millis::MAX)
    };
    let step = match held.call.action {
        Action::Extend { .. } => Step::Extend { hold, lapses, lives },
        _ => Step::Hold { hold, lapses, lives },
    };
    (step, Window { from: held.call.from, to: held.call.to.min(lives) })
}
