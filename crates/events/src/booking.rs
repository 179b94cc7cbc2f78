//! What booking tells of bookings.

use chrono::{DateTime, Utc};
use kernel::{BookingId, Money, SeatId, SeatKind, TicketId, UserId};
use serde::{Deserialize, Serialize};

/// What every event of a booking says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingFacts {
    /// The booking; its show is part of the id.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// Grows with each change of state: readers ignore what is not newer than what they have.
    pub version: i64,
    /// What people read out at the counter.
    pub reference: String,
    /// The seats.
    pub seats: Vec<SeatLine>,
    /// What it costs in all.
    pub total: Money,
}

/// One seat of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatLine {
    /// Position in the show's layout.
    pub index: u16,
    /// The seat.
    pub seat_id: SeatId,
    /// What people call it: `A5`.
    pub label: String,
    /// What it is like.
    pub kind: SeatKind,
    /// What it costs.
    pub price: Money,
}

/// What a message to the audience needs of a show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowFacts {
    /// What is shown.
    pub title: String,
    /// Where.
    pub theater_name: String,
    /// On which screen.
    pub screen_name: String,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// IANA name of the zone at the theater.
    pub time_zone: String,
}

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketFacts {
    /// The ticket.
    pub ticket_id: TicketId,
    /// For which seat.
    pub seat_label: String,
    /// The signed code that the door scans.
    pub code: String,
}

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundCause {
    /// The buyer cancelled.
    Cancelled,
    /// The show was cancelled.
    ShowCancelled,
    /// The payment came when the seats were gone.
    LatePayment,
    /// More was paid than was owed: a second payment, or a wrong amount.
    UnexpectedPayment,
}

/// `booking.pending`: seats are claimed, payment is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingPending {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// Until when the seats stay claimed without a payment.
    pub expires_at: DateTime<Utc>,
}

/// `booking.extended`: the claim was over, and goes on because the payment may have been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingExtended {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// Until when the seats stay claimed now.
    pub expires_at: DateTime<Utc>,
}

/// `booking.confirmed`: paid, and the seats are sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingConfirmed {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// A ticket for each seat.
    pub tickets: Vec<TicketFacts>,
    /// Labels of the seats that were booked before, when a late payment found them gone and got others that
    /// the buyer had agreed to; else empty. Readers from before it was there do without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
}

/// `booking.cancelled`: given up by its owner, or with its show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingCancelled {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// What will be paid back, if anything.
    pub refund: Option<Money>,
    /// Why.
    pub cause: RefundCause,
}

/// `booking.expired`: not paid in time; the seats are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingExpired {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
}

/// `booking.failed`: its payment cannot succeed any more; the seats are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingFailed {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// The provider's code for the reason, such as `canceled`.
    pub reason: String,
}

/// `booking.refunded`: the provider has paid money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingRefunded {
    /// The booking.
    #[serde(flatten)]
    pub booking: BookingFacts,
    /// The show.
    pub show: ShowFacts,
    /// How much.
    pub refund: Money,
    /// Why.
    pub cause: RefundCause,
}

crate::events! {
    BookingPending "booking.pending" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingExtended "booking.extended" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingConfirmed "booking.confirmed" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingCancelled "booking.cancelled" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingExpired "booking.expired" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingFailed "booking.failed" v 1 by |e| e.booking.booking_id.show().uuid();
    BookingRefunded "booking.refunded" v 1 by |e| e.booking.booking_id.show().uuid();
}
