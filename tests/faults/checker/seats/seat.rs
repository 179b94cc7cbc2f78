//! What can happen to one seat: the sequential specification.
//!
//! The same one for both who keep seats, each on its own: the cache, which gives holds, and the
//! store, which gives durable holds and decides who owns a seat.

use super::super::facts::Window;
use super::search::Object;
use crate::history::Millis;

/// A hold or a booking, by its place in the lists of [`Seat`].
pub(super) type Index = usize;

/// Who has the seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Nobody.
    Free,
    /// A hold. It may have ended from `lapses` on, and may live until `lives`: the same moment, but
    /// for clocks, and unless nobody knows whether it was extended.
    Held { hold: Index, lapses: Millis, lives: Millis },
    /// A booking.
    Owned(Index),
}

/// What certainly happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// It was said that the seat is held until then: made now, or before and alive.
    Hold { hold: Index, lapses: Millis, lives: Millis },
    /// A hold that lived got another end.
    Extend { hold: Index, lapses: Millis, lives: Millis },
    /// A hold that lived was released.
    Release { hold: Index },
    /// A checkout found that the hold lived.
    Find { hold: Index },
    /// A booking took the seat: from its own hold, which lived, or from nobody.
    Claim { booking: Index, hold: Option<Index> },
    /// A booking whose payment came late took the seat back, from a hold if need be.
    Reclaim { booking: Index },
    /// A booking gave the seat up.
    End { booking: Index },
    /// In the end this booking has the seat.
    Remain { booking: Option<Index> },
}

/// What may have happened to a hold.
#[derive(Debug, Clone, Default)]
pub(super) struct HoldChances {
    /// It may have ended: released by a request without an answer, lost, outranked, checked out.
    pub ends: Vec<Window>,
    /// It may have got a later end: by a request without an answer.
    pub extends: Vec<Window>,
    /// It may have come back: who kept it went back to an earlier time.
    pub revives: Vec<Window>,
}

/// What may have happened to a booking of which no trail tells.
#[derive(Debug, Clone, Default)]
pub(super) struct BookingChances {
    /// It may have given its seats up.
    pub ends: Vec<Window>,
    /// It may have got them back.
    pub returns: Vec<Window>,
}

/// One seat.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub holds: Vec<HoldChances>,
    pub bookings: Vec<BookingChances>,
}

impl Object for Seat {
    type State = State;
    type Step = Step;

    fn begin(&self) -> State {
        State::Free
    }

    fn step(&self, state: &State, step: &Step, now: Millis) -> Option<State> {
        let alive = |wanted: Index| matches!(state, State::Held { hold, lives, .. } if *hold == wanted && now <= *lives);
        match *step {
            Step::Hold { hold, lapses, lives } => {
                (alive(hold) || *state == State::Free).then_some(State::Held { hold, lapses, lives })
            }
            Step::Extend { hold, lapses, lives } => {
                alive(hold).then_some(State::Held { hold, lapses, lives })
            }
            Step::Release { hold } => alive(hold).then_some(State::Free),
            Step::Find { hold } => alive(hold).then_some(*state),
            Step::Claim { booking, hold } => match hold {
                Some(hold) => alive(hold),
                None => *state == State::Free,
            }
            .then_some(State::Owned(booking)),
            Step::Reclaim { booking } => (!matches!(state, State::Owned(_))).then_some(State::Owned(booking)),
            Step::End { booking } => (*state == State::Owned(booking)).then_some(State::Free),
            Step::Remain { booking } => match booking {
                Some(booking) => *state == State::Owned(booking),
                None => *state == State::Free,
            }
            .then_some(*state),
        }
    }

    fn hidden(&self, state: &State, now: Millis) -> Vec<(Millis, State)> {
        let first = |windows: &[Window]| windows.iter().filter_map(|window| window.enter(now)).min();
        let revived = |but: Option<Index>| {
            let holds = self.holds.iter().enumerate().filter(move |(hold, _)| Some(*hold) != but);
            let revived = |hold| State::Held { hold, lapses: Millis::MIN, lives: Millis::MAX };
            holds.filter_map(move |(hold, chances)| Some((first(&chances.revives)?, revived(hold))))
        };
        match *state {
            State::Free => {
                let returns = self.bookings.iter().enumerate();
                returns
                    .filter_map(|(index, chances)| Some((first(&chances.returns)?, State::Owned(index))))
                    .chain(revived(None))
                    .collect()
            }
            State::Held { hold, lapses, lives } => {
                let Some(chances) = self.holds.get(hold) else { return Vec::new() };
                let end = first(&chances.ends).unwrap_or(Millis::MAX).min(lapses.max(now));
                let mut hidden = vec![(end, State::Free)];
                hidden.extend(revived(Some(hold)));
                if lives < Millis::MAX
                    && let Some(at) = first(&chances.extends)
                    && at <= lives
                {
                    hidden.push((at, State::Held { hold, lapses, lives: Millis::MAX }));
                }
                hidden
            }
            State::Owned(booking) => {
                let ends = self.bookings.get(booking).and_then(|chances| first(&chances.ends));
                ends.map(|at| (at, State::Free)).into_iter().collect()
            }
        }
    }
}
