//! A booking and the transitions it may make.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{BookingId, HoldId, Money, SeatKind, UserId};

use super::reference::Reference;

/// How long the seats of an unpaid booking are still shown as taken when its claim is over. By then the
/// provider has mostly said what became of the payment, and the claim has ended or goes on.
const SETTLING: TimeDelta = TimeDelta::seconds(15);

/// The moment until which the seats of a claim are shown as taken, unless it is known to have ended.
pub fn claim_shown_until(expires_at: DateTime<Utc>) -> DateTime<Utc> {
    expires_at + SETTLING
}

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
    /// 1 when made, one more with each transition, and each time that its claim goes on.
    pub version: i64,
    /// The hold it was made from.
    pub hold: HoldId,
    /// Does the buyer take equivalent seats when a payment comes too late for these?
    pub accepts_equivalent: bool,
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

    /// The unpaid booking with a claim that was over when it was read, and goes on for `step`, but no
    /// longer than until `limit` after its checkout. Nothing when that is over, too.
    pub fn extend(&self, step: TimeDelta, limit: TimeDelta) -> Option<Self> {
        let last = self.created_at + limit;
        let expires_at = last.min(self.read_at + step);
        let can = self.is_overdue() && self.read_at < last;
        can.then(|| Self { expires_at, version: self.version + 1, ..self.clone() })
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

    #[test]
    fn a_claim_goes_on_in_steps_up_to_its_limit() {
        let made = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let show = kernel::ShowId::from_uuid(uuid::Uuid::from_u128(1));
        let nothing = Money::new(0, kernel::Currency::EUR);
        let at = |minutes: i64| made + TimeDelta::minutes(minutes);
        let read = |minutes: i64, expires: i64| Booking {
            id: BookingId::new(show, 1),
            user: UserId::from_uuid(uuid::Uuid::from_u128(2)),
            reference: Reference::from_random(3),
            status: BookingStatus::PendingPayment,
            version: 4,
            hold: HoldId::new(show, 5),
            accepts_equivalent: false,
            subtotal: nothing,
            fee: nothing,
            tax: nothing,
            total: nothing,
            expires_at: at(expires),
            created_at: made,
            updated_at: made,
            read_at: at(minutes),
        };
        let check = |minutes: i64, expires: i64, expected: Option<i64>| {
            let extended = read(minutes, expires).extend(TimeDelta::minutes(10), TimeDelta::minutes(60));
            let found = extended.map(|booking| (booking.expires_at, booking.version));
            assert_eq!(found, expected.map(|minutes| (at(minutes), 5)), "{minutes} of {expires}");
        };
        check(14, 15, None);
        check(15, 15, Some(25));
        check(17, 15, Some(27));
        check(55, 50, Some(60));
        check(60, 60, None);
        let sold = Booking { status: BookingStatus::Confirmed, ..read(20, 15) };
        assert_eq!(sold.extend(TimeDelta::minutes(10), TimeDelta::minutes(60)), None);
    }
}
