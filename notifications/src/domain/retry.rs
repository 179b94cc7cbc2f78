//! When a delivery that failed is tried again.

use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

/// Exponential backoff with an end. The defaults try for about a day.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// The delay after the first attempt, in milliseconds; each further attempt doubles it.
    #[garde(range(min = 1, max = 86_400_000))]
    pub first_delay_ms: u32,
    /// The longest delay, in milliseconds.
    #[garde(range(min = 1, max = 86_400_000))]
    pub max_delay_ms: u32,
    /// After this many attempts the delivery is given up.
    #[garde(range(min = 1, max = 1_000))]
    pub max_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first_delay_ms: 5_000, max_delay_ms: 3_600_000, max_attempts: 36 }
    }
}

impl RetryPolicy {
    /// How long to wait after the `attempts`-th attempt failed, counted from one; `None` to give
    /// up.
    pub fn delay_after(&self, attempts: u32) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let factor = 1_u64 << attempts.saturating_sub(1).min(32);
        let delay = u64::from(self.first_delay_ms).saturating_mul(factor).min(u64::from(self.max_delay_ms));
        Some(Duration::from_millis(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy { first_delay_ms: 1_000, max_delay_ms: 5_000, max_attempts: 6 };
        let seconds = (1..=7).map(|n| policy.delay_after(n).map(|d| d.as_secs()));
        assert_eq!(seconds.collect::<Vec<_>>(), [Some(1), Some(2), Some(4), Some(5), Some(5), None, None]);
    }

    #[test]
    fn the_default_bridges_an_outage_of_a_day() {
        let policy = RetryPolicy::default();
        let total: Duration = (1..).map_while(|attempts| policy.delay_after(attempts)).sum();
        assert!(total >= Duration::from_hours(24), "{total:?}");
        assert_eq!(policy.delay_after(u32::MAX), None);
    }
}
