//! A booking and the transitions it may make.

use chrono::{DateTime, Utc};
use kernel::{BookingId, HoldId, Money, SeatKind, UserId};

use super::reference::Reference;

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BookingStatus {
    /// Seats are claimed until `expires_at`; the buyer has not paid.
    PendingPayment,
    /// Paid; tickets issued.
    Confirmed,
    /// Called off by the buyer or with the show; seats are free again.
    Cancelled,
    /// Money went back after a cancellation or a payment that bought nothing.
    Refunded,
    /// Not paid in time; seats are free again.
    Expired,
    /// The payment cannot succeed any more; seats are free again.
    Failed,
}

impl BookingStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PendingPayment, Self::Confirmed, Self::Cancelled, Self::Refunded, Self::Expired, Self::Failed];

    /// The name in the database and in GraphQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingPayment => "PENDING_PAYMENT",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
            Self::Refunded => "REFUNDED",
            Self::Expired => "EXPIRED",
            Self::Failed => "FAILED",
        }
    }

    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Does a booking in this state own seats (rows in `seat_allocations`)?
    pub fn owns_seats(self) -> bool {
        matches!(self, Self::PendingPayment | Self::Confirmed)
    }

    /// Is the transition part of the life of a booking?
    ///
    /// `Expired` and `Failed` become `Confirmed` when a late payment finds the seats still free,
    /// and `Cancelled` or `Refunded` when the late payment goes back.
    pub fn can_become(self, next: Self) -> bool {
        use BookingStatus::{Cancelled, Confirmed, Expired, Failed, PendingPayment, Refunded};
        matches!(
            (self, next),
            (PendingPayment, Confirmed | Cancelled | Expired | Failed)
                | (Confirmed, Cancelled)
                | (Expired | Failed, Confirmed | Refunded)
                | (Cancelled, Refunded)
        )
    }
}

/// A booking without its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its id, which carries the show.
    pub id: BookingId,
    /// Who booked.
    pub user: UserId,
    /// The code people read out.
    pub reference: Reference,
    /// Where it stands.
    pub status: BookingStatus,
    /// 1 when made, one more with each transition.
    pub version: i64,
    /// The hold it was made from.
    pub hold: HoldId,
    /// Sum of seat prices.
    pub subtotal: Money,
    /// Sum of fees.
    pub fee: Money,
    /// Sum of taxes.
    pub tax: Money,
    /// What the buyer pays.
    pub total: Money,
    /// When the claim of an unpaid booking lapses.
    pub expires_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its last transition.
    pub updated_at: DateTime<Utc>,
    /// When it was read. Like the other times this is PostgreSQL's: no process decides by its own clock
    /// whether a claim has lapsed.
    pub read_at: DateTime<Utc>,
}

/// A transition that is not part of the life of a booking: a bug, or two sagas that disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a booking that is {from:?} cannot become {to:?}")]
pub struct IllegalTransition {
    /// Where it stands.
    pub from: BookingStatus,
    /// Where it should go.
    pub to: BookingStatus,
}

impl Booking {
    /// The booking after a transition at the time at which it was read, in its next version.
    ///
    /// # Errors
    /// When the transition is not part of its life.
    pub fn advance(&self, to: BookingStatus) -> Result<Self, IllegalTransition> {
        let from = self.status;
        if !from.can_become(to) {
            return Err(IllegalTransition { from, to });
        }
        Ok(Self { status: to, version: self.version + 1, updated_at: self.read_at, ..self.clone() })
    }

    /// Was there something to pay for when it was read?
    pub fn awaits_payment(&self) -> bool {
        self.status == BookingStatus::PendingPayment && !self.is_overdue()
    }

    /// Had the claim of an unpaid booking lapsed when it was read?
    pub fn is_overdue(&self) -> bool {
        self.status == BookingStatus::PendingPayment && self.expires_at <= self.read_at
    }
}

/// A seat of a booking with its price as locked at checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedSeat {
    /// Seat index in layout order.
    pub seat_no: u16,
    /// What the seat was called when it was booked.
    pub label: String,
    /// Its kind.
    pub kind: SeatKind,
    /// The seat itself.
    pub price: Money,
    /// The booking fee.
    pub fee: Money,
    /// The tax.
    pub tax: Money,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip() {
        for status in BookingStatus::ALL {
            assert_eq!(BookingStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(BookingStatus::parse("pending"), None);
    }

    #[test]
    fn nothing_leaves_refunded_and_nothing_returns_to_pending() {
        for status in BookingStatus::ALL {
            assert!(!BookingStatus::Refunded.can_become(status));
            assert!(!status.can_become(BookingStatus::PendingPayment));
            assert!(!status.can_become(status));
        }
    }

    #[test]
    fn a_sold_seat_is_given_up_only_by_cancelling() {
        for next in BookingStatus::ALL {
            let expected = next == BookingStatus::Cancelled;
            assert_eq!(BookingStatus::Confirmed.can_become(next), expected);
        }
    }
}
