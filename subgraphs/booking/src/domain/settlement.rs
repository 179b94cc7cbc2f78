//! What a captured payment does to a booking. Money that arrives ends in tickets or goes back.

use events::booking::RefundCause;
use kernel::Money;

use super::booking::BookingStatus;

/// What is known when a provider says that a payment was captured.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where the booking stands (locked).
    pub status: BookingStatus,
    /// What the booking costs.
    pub due: Money,
    /// What was captured.
    pub paid: Money,
    /// Was this very payment applied before?
    pub seen: bool,
    /// May seats of the show be sold?
    pub show_scheduled: bool,
    /// Has the show not begun yet?
    pub show_ahead: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A repeat, or no money at all: nothing.
    Ignore,
    /// The seats are the booking's: sell them.
    Confirm,
    /// The claim lapsed: sell the same seats if they are still free, else equivalent ones if the buyer agreed
    /// to that, else refund as [`RefundCause::LatePayment`].
    Reclaim,
    /// Send the money back. A booking that still waits for a payment ends as given.
    Refund(RefundCause, Option<BookingStatus>),
}

/// Decides about a captured payment.
pub fn decide(facts: &Facts) -> Verdict {
    use BookingStatus::{Cancelled, Confirmed, Expired, Failed, PendingPayment, Refunded};
    let pending = facts.status == PendingPayment;
    if facts.seen || facts.paid.minor() <= 0 {
        return Verdict::Ignore;
    }
    if facts.paid != facts.due {
        return Verdict::Refund(RefundCause::UnexpectedPayment, pending.then_some(Failed));
    }
    match facts.status {
        // The booking was paid before, so this payment is one too many.
        Confirmed | Refunded => Verdict::Refund(RefundCause::UnexpectedPayment, None),
        _ if !facts.show_scheduled => {
            Verdict::Refund(RefundCause::ShowCancelled, pending.then_some(Cancelled))
        }
        PendingPayment => Verdict::Confirm,
        Expired | Failed if facts.show_ahead => Verdict::Reclaim,
        Expired | Failed | Cancelled => Verdict::Refund(RefundCause::LatePayment, None),
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;
    use proptest::prelude::*;

    use super::*;

    fn facts(status: BookingStatus) -> Facts {
        let due = Money::new(2_400, Currency::EUR);
        Facts { status, due, paid: due, seen: false, show_scheduled: true, show_ahead: true }
    }

    fn check(facts: Facts, expected: Verdict) {
        assert_eq!(decide(&facts), expected, "{facts:?}");
    }

    #[test]
    fn each_state_has_its_answer() {
        use BookingStatus as S;
        check(facts(S::PendingPayment), Verdict::Confirm);
        check(facts(S::Expired), Verdict::Reclaim);
        check(facts(S::Failed), Verdict::Reclaim);
        check(facts(S::Confirmed), Verdict::Refund(RefundCause::UnexpectedPayment, None));
        check(facts(S::Cancelled), Verdict::Refund(RefundCause::LatePayment, None));
        check(facts(S::Refunded), Verdict::Refund(RefundCause::UnexpectedPayment, None));
    }

    #[test]
    fn a_show_that_began_sells_to_nobody_who_comes_late() {
        let late = Facts { show_ahead: false, ..facts(BookingStatus::Expired) };
        check(late, Verdict::Refund(RefundCause::LatePayment, None));
        let in_time = Facts { show_ahead: false, ..facts(BookingStatus::PendingPayment) };
        check(in_time, Verdict::Confirm);
    }

    #[test]
    fn the_wrong_amount_or_currency_buys_nothing() {
        let pending = facts(BookingStatus::PendingPayment);
        let refund = Verdict::Refund(RefundCause::UnexpectedPayment, Some(BookingStatus::Failed));
        check(Facts { paid: Money::new(2_399, Currency::EUR), ..pending }, refund);
        check(Facts { paid: Money::new(2_400, Currency::USD), ..pending }, refund);
    }

    proptest! {
        #[test]
        fn new_money_is_never_ignored(
            status in prop::sample::select(BookingStatus::ALL.to_vec()),
            paid in 1_i64..10_000,
            show_scheduled: bool,
            show_ahead: bool,
        ) {
            let due = Money::new(2_400, Currency::EUR);
            let paid = Money::new(paid, Currency::EUR);
            let facts = Facts { status, due, paid, seen: false, show_scheduled, show_ahead };
            let verdict = decide(&facts);
            prop_assert_ne!(verdict, Verdict::Ignore);
            if matches!(verdict, Verdict::Confirm | Verdict::Reclaim) {
                prop_assert!(show_scheduled && paid == due);
            }
            if let Verdict::Refund(_, Some(next)) = verdict {
                prop_assert!(status.can_become(next) && next.can_become(BookingStatus::Refunded));
            }
            prop_assert_eq!(decide(&Facts { seen: true, ..facts }), Verdict::Ignore);
        }
    }
}
