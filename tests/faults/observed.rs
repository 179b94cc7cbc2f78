//! What is left when a round is over: the truth of every store, of the provider and of watchers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::Millis;

/// The end of a round, after the faults stopped and the system settled.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The kinds of each show's seats, a letter per seat.
    pub kinds: BTreeMap<String, String>,
    /// `booking.bookings` with their seats.
    pub bookings: Vec<Booking>,
    /// `booking.seat_allocations`.
    pub allocations: Vec<Allocation>,
    /// `booking.tickets`.
    pub tickets: Vec<Ticket>,
    /// `booking.payments`.
    pub payments: Vec<Payment>,
    /// `booking.refunds`.
    pub refunds: Vec<Refund>,
    /// `booking.audit`, in the order of its numbers.
    pub audit: Vec<AuditEntry>,
    /// `booking.booking_history`, the read model.
    pub history: Vec<HistoryRow>,
    /// `booking.findings`: what the reconciliation found, in the order in which it did.
    pub findings: Vec<Finding>,
    /// Payment intents as the provider knows them.
    pub intents: Vec<Intent>,
    /// Refunds as the provider knows them.
    pub provider_refunds: Vec<ProviderRefund>,
    /// `notification.deliveries`.
    pub deliveries: Vec<Delivery>,
    /// Mails that were sent, by the event that each one tells of.
    pub mails: Vec<String>,
    /// The final seat map of each show, through the gateway.
    pub maps: Vec<Map>,
    /// What each watcher believes at the end.
    pub watchers: Vec<WatchedMap>,
    /// Rows left in outboxes, by schema.
    pub outbox: Vec<(String, u64)>,
    /// Messages left in queues and dead-letter queues, by name; empty ones are left out.
    pub queues: Vec<(String, u64)>,
    /// Deadlocks that PostgreSQL broke.
    pub deadlocks: u64,
    /// Panics and errors that should never be logged, from the logs of all processes.
    pub alarms: Vec<String>,
    /// How long it took until nothing was under way any more, in milliseconds; none when the time to
    /// settle was over first.
    pub settled_ms: Option<u64>,
    /// From when on nothing was under way, if that came.
    pub quiet_at: Option<Millis>,
    /// What was still under way when the time to settle was over.
    pub unsettled: Vec<String>,
    /// How long after its checkout a claim goes on at most, in milliseconds.
    pub claim_limit_ms: Millis,
}

/// A booking. Ids are as clients see them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    /// `booking_…`.
    pub id: String,
    /// `show_…`.
    pub show: String,
    /// `user_…`.
    pub user: String,
    /// `hold_…`: what it came from.
    pub hold: String,
    /// `CONFIRMED`, …
    pub status: String,
    /// Its seats, ascending: those that it was made for, unless it got others.
    pub seats: Vec<u16>,
    /// What it costs, in minor units.
    pub total_minor: i64,
    /// How much of that comes back when its buyer cancels it, in whole percents.
    pub cancel_percent: i64,
    /// When its claim was to lapse as it was made; it may have gone on.
    pub expires_at: Millis,
}

impl Booking {
    /// What comes back, rounded half up, of an amount that was paid for it when its buyer cancels it.
    pub const fn comes_back(&self, paid_minor: i64) -> i64 {
        (paid_minor * self.cancel_percent + 50) / 100
    }
}

/// Who owns a seat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Allocation {
    /// The show.
    pub show: String,
    /// The seat.
    pub seat: u16,
    /// The booking that owns it.
    pub booking: Option<String>,
    /// The durable hold that has it.
    pub hold: Option<String>,
    /// When that hold ends.
    pub held_until: Option<Millis>,
    /// Whether it is paid.
    pub sold: bool,
}

/// A ticket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ticket {
    /// Its booking.
    pub booking: String,
    /// Its seat.
    pub seat: u16,
    /// Whether it no longer opens the door.
    pub voided: bool,
}

/// A payment as booking knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    /// `payment_…`.
    pub id: String,
    /// Its booking.
    pub booking: String,
    /// The provider's id.
    pub intent: String,
    /// `SUCCEEDED`, …
    pub status: String,
    /// Minor units.
    pub amount_minor: i64,
}

/// A refund as booking knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refund {
    /// `refund_…`.
    pub id: String,
    /// Its payment.
    pub payment: String,
    /// Its booking.
    pub booking: String,
    /// `PENDING`, `SUCCEEDED`, `FAILED`.
    pub status: String,
    /// Why: `CANCELLED`, `LATE_PAYMENT`, …
    pub cause: String,
    /// Minor units.
    pub amount_minor: i64,
    /// The provider's id.
    pub provider_refund: Option<String>,
}

/// One line of the audit trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Ascending in a show.
    pub no: i64,
    /// When PostgreSQL wrote it (its own clock, which is never moved).
    pub at: Millis,
    /// The show.
    pub show: String,
    /// `BOOKING`, `PAYMENT`, `REFUND`, `HOLD`, `SHOW`.
    pub entity: String,
    /// The id of that thing.
    pub id: String,
    /// The booking that it belongs to.
    pub booking: Option<String>,
    /// State before; none for a new thing.
    pub from: Option<String>,
    /// State after.
    pub to: String,
    /// The seats that it is about.
    pub seats: Vec<u16>,
    /// `USER`, `PROVIDER`, `SYSTEM`, `OPERATOR`, and who.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// A line of a user's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryRow {
    /// The user.
    pub user: String,
    /// The booking.
    pub booking: String,
    /// Its status there.
    pub status: String,
}

/// A payment intent at the provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Intent {
    /// Its id.
    pub id: String,
    /// The booking in its metadata.
    pub booking: Option<String>,
    /// `succeeded`, …
    pub status: String,
    /// Money taken, minor units.
    pub received_minor: i64,
}

/// A refund at the provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderRefund {
    /// Its id.
    pub id: String,
    /// The intent whose money goes back.
    pub intent: String,
    /// `succeeded`, `pending`, `failed`, `canceled`.
    pub status: String,
    /// Minor units.
    pub amount_minor: i64,
}

/// What the reconciliation found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// Why it is one: `payment_unheard`, …
    pub cause: String,
    /// What it is about.
    pub subject: String,
    /// What both sides said.
    pub detail: String,
    /// When it was first seen.
    pub first_seen: Millis,
    /// When both sides agreed again, if they do.
    pub resolved_at: Option<Millis>,
}

/// A message to a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// `event_…`: what it tells of, and the name of its mail.
    pub event: String,
    /// The kind of notice.
    pub kind: String,
    /// The booking that it is about.
    pub booking: Option<String>,
    /// How far it is.
    pub status: String,
}

/// A seat map.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Map {
    /// The show.
    pub show: String,
    /// Its epoch.
    pub epoch: String,
    /// Its version.
    pub version: i64,
    /// One letter per seat.
    pub states: String,
    /// Whether PostgreSQL had to answer.
    pub degraded: bool,
}

/// What a watcher has, by the rules that clients are told to follow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WatchedMap {
    /// Which watcher.
    pub watcher: usize,
    /// How often it read the snapshot again.
    pub resyncs: usize,
    /// The map.
    pub map: Map,
}
