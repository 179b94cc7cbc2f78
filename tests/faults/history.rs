//! What clients did and what they were told.
//!
//! Times are milliseconds of the machine's clock since the Unix epoch: all parts of a run share one
//! machine, so that they can be compared with the deadlines that the platform gives.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// Everything that was seen from outside in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// Requests of clients, in the order in which they were begun.
    pub calls: Vec<Call>,
    /// What the nemesis did.
    pub faults: Vec<Fault>,
}

/// One request of one client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Unique in the round, ascending.
    pub no: u64,
    /// Which actor asked. An actor does one thing at a time; what it does at the same time in a
    /// second tab has a number of its own, from 1,000.
    pub actor: usize,
    /// Whose token was used.
    pub user: String,
    /// When it was sent, rounded down.
    pub from: Millis,
    /// When its answer was there, rounded up; for [`Outcome::Unknown`], when the actor gave up. A
    /// call whose `to` is at most the `from` of another was over when that one was sent.
    pub to: Millis,
    /// What was asked.
    pub action: Action,
    /// What was answered.
    pub outcome: Outcome,
}

/// What clients do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// `holdSeats`.
    Hold { show: String, seats: Vec<u16>, key: String },
    /// `holdBestAvailable`.
    HoldBest { show: String, quantity: u16, key: String },
    /// `extendHold`.
    Extend { hold: String },
    /// `releaseHold`.
    Release { hold: String },
    /// `checkout`. `equivalent`: other seats of the same kinds will do if these are gone.
    Checkout { hold: String, key: String, equivalent: bool },
    /// A card is charged at the provider, as a browser does.
    Pay { booking: String, intent: String },
    /// `cancelBooking`.
    Cancel { booking: String, key: String },
    /// Reading a seat map.
    Read { show: String },
    /// Reading a booking.
    Look { booking: String },
    /// `updateShowPrices`, by a manager.
    Reprice { show: String, price: u32 },
    /// `cancelShow`, by a manager.
    CallOff { show: String },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// The seats (ascending) are held until then. `durable`: by PostgreSQL, because Redis is away.
    Held { hold: String, seats: Vec<u16>, until: Millis, durable: bool },
    /// The hold is released.
    Released,
    /// A booking exists and owns the seats.
    CheckedOut { booking: String, seats: Vec<u16>, status: String, intent: Option<String> },
    /// The provider took the money (or will: `processing`).
    Paid { processing: bool },
    /// The booking is cancelled; so much is going back, in minor units.
    Cancelled { refund_minor: i64 },
    /// One letter per seat.
    Map { epoch: String, version: i64, states: String, degraded: bool },
    /// The show is as its manager wants it.
    ShowChanged,
    /// The booking as it is.
    Booking { status: String, tickets: usize },
    /// Definitely not done, with the refusal's code, and the seats that it names.
    Refused { code: String, seats: Vec<u16> },
    /// Nobody can tell whether it was done: no answer in time, a cut connection, `UNAVAILABLE`,
    /// `INTERNAL`. The text says which.
    Unknown { why: String },
}

/// Something bad, done on purpose.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Fault {
    /// Which kind: the name that `--only` takes.
    pub kind: String,
    /// To whom.
    pub target: String,
    /// When it began.
    pub from: Millis,
    /// When it was over.
    pub to: Millis,
    /// Redis came back without (some of) what it had acknowledged.
    pub lost_redis: bool,
    /// Failpoints that were armed.
    pub steps: Vec<String>,
}
