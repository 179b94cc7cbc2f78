//! How much comes back when a booking is cancelled.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Money, MoneyError};

/// From this long before the start everything comes back.
const FULL_BEFORE: TimeDelta = TimeDelta::hours(24);
/// From this long before the start half comes back; later nothing, and cancelling is refused.
const HALF_BEFORE: TimeDelta = TimeDelta::hours(2);

/// Who called it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The buyer: the time left decides.
    Buyer,
    /// The theater called off the show: everything comes back at any time.
    Theater,
}

/// The refund in whole percents of what was paid, or `None` when it is too late to cancel.
///
/// Both limits are inclusive: exactly 24 hours before the start is still a full refund.
pub fn refund_percent(initiator: Initiator, now: DateTime<Utc>, starts_at: DateTime<Utc>) -> Option<u32> {
    if initiator == Initiator::Theater {
        return Some(100);
    }
    match starts_at - now {
        left if left >= FULL_BEFORE => Some(100),
        left if left >= HALF_BEFORE => Some(50),
        _ => None,
    }
}

/// The last instant at which a buyer may cancel.
pub fn cancellable_until(starts_at: DateTime<Utc>) -> DateTime<Utc> {
    starts_at - HALF_BEFORE
}

/// The share of what was paid, rounded half up to the minor unit.
///
/// # Errors
/// When the amount leaves the range of money.
pub fn refund_amount(paid: Money, percent: u32) -> Result<Money, MoneyError> {
    if percent >= 100 { Ok(paid) } else { paid.percent(percent) }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;
    use proptest::prelude::*;

    use super::*;

    fn check(minutes_before: i64, expected: Option<u32>) {
        let start = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let now = start - TimeDelta::minutes(minutes_before);
        assert_eq!(refund_percent(Initiator::Buyer, now, start), expected);
        assert_eq!(refund_percent(Initiator::Theater, now, start), Some(100));
    }

    #[test]
    fn the_limits_belong_to_the_better_side() {
        check(48 * 60, Some(100));
        check(24 * 60, Some(100));
        check(24 * 60 - 1, Some(50));
        check(2 * 60, Some(50));
        check(2 * 60 - 1, None);
        check(0, None);
        check(-10, None);
    }

    #[test]
    fn halves_are_rounded_in_favour_of_the_buyer() {
        let paid = Money::new(1_001, Currency::EUR);
        assert_eq!(refund_amount(paid, 50).unwrap(), Money::new(501, Currency::EUR));
        assert_eq!(refund_amount(paid, 100).unwrap(), paid);
    }

    proptest! {
        #[test]
        fn never_more_than_was_paid(minor in 0_i64..1_000_000_000, percent in 0_u32..=100) {
            let paid = Money::new(minor, Currency::EUR);
            let back = refund_amount(paid, percent).unwrap();
            prop_assert!((0..=minor).contains(&back.minor()));
        }

        #[test]
        fn waiting_never_pays(a in -100_i64..10_000, b in -100_i64..10_000) {
            let start = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
            let at = |left| refund_percent(Initiator::Buyer, start - TimeDelta::minutes(left), start);
            let (early, late) = (a.max(b), a.min(b));
            prop_assert!(at(early).unwrap_or(0) >= at(late).unwrap_or(0));
        }
    }
}
