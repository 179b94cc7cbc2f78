//! The rule of a bucket: how much is in it, and when there will be enough.
//!
//! A bucket holds `burst` tokens and gets one every `interval`. All that has to be remembered of it
//! is the moment at which it is full again (the generic cell rate algorithm): a token moves that
//! moment away by an interval, and there is none when it would be further away than `burst`
//! intervals. The script `take.lua` has the same rule. Times are whole microseconds.

/// One minute.
pub(crate) const MINUTE: u64 = 60_000_000;

/// The measures of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Between two tokens.
    pub(crate) interval: u64,
    /// In a full bucket.
    pub(crate) burst: u64,
}

impl Bucket {
    /// Lets so many tokens be taken in a minute, at once if need be.
    pub(crate) fn per_minute(tokens: u32) -> Self {
        let tokens = u64::from(tokens.max(1));
        Self { interval: (MINUTE / tokens).max(1), burst: tokens }
    }

    /// Takes `cost` tokens at the moment `now` out of a bucket that is full at `full_at`, and tells
    /// when it is full then; or how long it is until there are so many.
    pub(crate) fn take(self, full_at: u64, now: u64, cost: u64) -> Result<u64, u64> {
        let full_then = full_at.max(now).saturating_add(cost.saturating_mul(self.interval));
        let wait = (full_then - now).saturating_sub(self.burst.saturating_mul(self.interval));
        if wait == 0 { Ok(full_then) } else { Err(wait) }
    }

    /// When a bucket is full of which is known how long it takes until it has `cost` tokens.
    pub(crate) fn full_at(self, now: u64, cost: u64, wait: u64) -> u64 {
        let whole = self.burst.saturating_mul(self.interval);
        now.saturating_add(wait).saturating_add(whole).saturating_sub(cost.saturating_mul(self.interval))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Bucket = Bucket { interval: 6_000_000, burst: 10 };

    #[test]
    fn a_limit_is_what_fits_and_what_comes_in_a_minute() {
        assert_eq!(Bucket::per_minute(10), TEN);
        let mut full_at = 0;
        for _ in 0..10 {
            full_at = TEN.take(full_at, MINUTE, 1).unwrap();
        }
        assert_eq!(TEN.take(full_at, MINUTE, 1), Err(6_000_000));
        assert!(TEN.take(full_at, MINUTE + 6_000_000, 1).is_ok());
        assert_eq!(TEN.take(full_at, MINUTE + 6_000_000, 2), Err(6_000_000));
    }

    #[test]
    fn several_tokens_are_taken_together_or_not_at_all() {
        let full_at = TEN.take(0, MINUTE, 8).unwrap();
        assert_eq!(TEN.take(full_at, MINUTE, 3), Err(6_000_000));
        assert!(TEN.take(full_at, MINUTE, 2).is_ok());
    }

    proptest! {
        /// However a caller spreads requests, no more goes through than was there at first and came
        /// since.
        #[test]
        fn never_more_than_the_limit(
            tokens in 1_u32..500,
            steps in prop::collection::vec((0_u64..3_000_000, 1_u64..6), 1..200),
        ) {
            let bucket = Bucket::per_minute(tokens);
            let start = 1_000_000_000_000;
            let (mut now, mut full_at, mut taken) = (start, 0, 0);
            for (pause, cost) in steps {
                now += pause;
                match bucket.take(full_at, now, cost) {
                    Ok(full_then) => (full_at, taken) = (full_then, taken + cost),
                    Err(wait) => {
                        // What it says is when it works, and not a moment earlier.
                        if cost <= bucket.burst {
                            prop_assert!(bucket.take(full_at, now + wait, cost).is_ok());
                        }
                        prop_assert!(bucket.take(full_at, now + wait - 1, cost).is_err());
                        prop_assert_eq!(bucket.full_at(now, cost, wait), full_at.max(now));
                    }
                }
                prop_assert!(taken <= bucket.burst + (now - start) / bucket.interval);
            }
        }
    }
}
