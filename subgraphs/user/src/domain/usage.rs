//! How much was done with keys.

use chrono::NaiveDate;
use kernel::ApiKeyId;

/// The longest stretch that one question may be about.
pub const MOST_DAYS: i64 = 92;

/// Days from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

impl Period {
    /// From `from` to `to`; `None` if that is no day at all or more than [`MOST_DAYS`].
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<Self> {
        let days = to.signed_duration_since(from).num_days() + 1;
        (1..=MOST_DAYS).contains(&days).then_some(Self { from, to })
    }
}

/// How many operations of one class a key did on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Which key.
    pub key: ApiKeyId,
    /// In UTC.
    pub day: NaiveDate,
    /// The gateway's name for what was done.
    pub class: String,
    /// How many.
    pub operations: i64,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_period_has_a_day_at_least_and_a_quarter_at_most() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        assert!(Period::new(day, day).is_some());
        assert!(Period::new(day, day - TimeDelta::days(1)).is_none());
        assert!(Period::new(day, day + TimeDelta::days(91)).is_some());
        assert!(Period::new(day, day + TimeDelta::days(92)).is_none());
        assert!(Period::new(NaiveDate::MIN, NaiveDate::MAX).is_none());
    }
}
