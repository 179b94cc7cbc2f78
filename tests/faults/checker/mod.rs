//! Decides whether the platform kept its promises in a round: pure, from what clients saw and what
//! is left in the end.
//!
//! Every rule is sound: it reports only what no correct platform can do, whatever the faults. Where
//! the platform may do one thing or another (an answer that was lost, a cache that forgot), both are
//! allowed. The rules:
//!
//! | rule | promise |
//! |---|---|
//! | [`seats`] | each seat's history is linearizable, and nobody uses what is not theirs |
//! | [`owners`] | no seat has two owners; tickets and allocations are those of confirmed bookings |
//! | [`claims`] | a claim does not end while its payment may be made |
//! | [`money`] | a captured payment ends in tickets or in one full refund |
//! | [`events`] | effects of messages are there, once |
//! | [`findings`] | the reconciliation finds only what a fault explains |
//! | [`maps`] | seat maps tell the truth, and watchers miss nothing |
//! | [`answers`] | what a client was told is so |
//! | [`idempotent`] | a repetition does nothing new |
//! | [`called_off`] | a show that is called off sells nothing more and keeps nothing |
//! | [`settled`] | when the faults are over, everything comes to its end |
//! | [`deaths`] | a killed process is felt for a moment only |

mod answers;
mod called_off;
mod claims;
pub mod deaths;
mod events;
mod excerpt;
mod facts;
mod findings;
mod idempotent;
mod maps;
mod money;
mod owners;
mod seats;
mod settled;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use crate::history::{History, Millis};
use crate::observed::Observed;
use facts::Facts;

pub use excerpt::report;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No order of the calls explains the answers about a seat.
    SeatsLinearizable,
    /// A seat belongs to two, or to somebody who has no right to it.
    SeatsTwoOwners,
    /// Somebody succeeded with what is another's.
    ForeignToken,
    /// A claim ended while its payment could be made.
    Claims,
    /// Money was kept without tickets, given back without cause, or both.
    Money,
    /// The effect of a message is missing, or there twice.
    Events,
    /// The reconciliation found what no fault explains, or what is still wrong in the end.
    Findings,
    /// A seat map is wrong.
    Maps,
    /// A client was told something that is not so.
    Answers,
    /// A repetition did something new.
    Idempotent,
    /// A show that was called off has kept something, or sold it.
    ShowCancelled,
    /// Something is unfinished, or was never to happen.
    Settled,
    /// Clients felt the death of a process for too long.
    Restored,
    /// The checker could not decide: it has to be made to.
    Inconclusive,
}

impl Rule {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeatsLinearizable => "seats-linearizable",
            Self::SeatsTwoOwners => "seats-two-owners",
            Self::ForeignToken => "foreign-token",
            Self::Claims => "claims",
            Self::Money => "money",
            Self::Events => "events",
            Self::Findings => "findings",
            Self::Maps => "maps",
            Self::Answers => "answers",
            Self::Idempotent => "idempotent",
            Self::ShowCancelled => "show-cancelled",
            Self::Settled => "settled",
            Self::Restored => "restored",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What is wrong, for a person.
    pub what: String,
    /// The seats that it is about.
    pub seats: Vec<(String, u16)>,
    /// Holds, bookings, intents and the like that it is about.
    pub ids: Vec<String>,
    /// About when, if that is known.
    pub at: Option<Millis>,
}

impl Violation {
    fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self { rule, what: what.into(), seats: Vec::new(), ids: Vec::new(), at: None }
    }

    /// It is about this, too.
    fn of(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    /// It is about these seats, too.
    fn seated(mut self, show: &str, seats: &[u16]) -> Self {
        self.seats.extend(seats.iter().map(|seat| (show.to_owned(), *seat)));
        self
    }

    fn at(mut self, time: Millis) -> Self {
        self.at = Some(time);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// All broken promises of a round, the same for the same input; none when all were kept.
pub fn check(history: &History, observed: &Observed) -> Vec<Violation> {
    let facts = Facts::new(history, observed);
    let rules: [fn(&Facts<'_>) -> Vec<Violation>; 11] = [
        seats::check,
        owners::check,
        claims::check,
        money::check,
        events::check,
        findings::check,
        maps::check,
        answers::check,
        idempotent::check,
        called_off::check,
        settled::check,
    ];
    let mut found: Vec<Violation> = rules.iter().flat_map(|rule| rule(&facts)).collect();
    found.sort();
    found.dedup();
    found
}
