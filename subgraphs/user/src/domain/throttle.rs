//! How fast passwords of one address may be guessed.
//!
//! Every attempt is counted before the password is looked at, so that attempts in parallel do
//! not slip through together, and a blocked attempt learns nothing about the password. The
//! counter belongs to the address and not to an account: an unknown address behaves alike.
//!
//! Blocking an address lets an attacker keep its owner out for a while. That is the lesser evil
//! as long as the block stays short, hence the limit; per-client limits are the gateway's part.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use garde::Validate;
use serde::Deserialize;

/// How many attempts are free, and how the delay grows after them.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleConfig {
    /// Attempts without a success before the first delay.
    #[garde(range(min = 1))]
    pub free_attempts: u32,
    /// The first delay, in seconds; each further attempt doubles it.
    #[garde(range(min = 1))]
    pub first_delay_seconds: u32,
    /// The longest delay, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub max_delay_seconds: u32,
    /// After this many seconds without an attempt everything is forgotten.
    #[garde(range(min = 1, max = 31_536_000))]
    pub forget_after_seconds: u32,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            free_attempts: 10,
            first_delay_seconds: 5,
            max_delay_seconds: 900,
            forget_after_seconds: 86_400,
        }
    }
}

impl ThrottleConfig {
    /// How long no attempt is let through after the `failures`-th one without a success.
    fn delay_after(&self, failures: u32) -> Option<TimeDelta> {
        let doublings = failures.checked_sub(self.free_attempts)?;
        let factor = 1_i64.checked_shl(doublings.min(32))?;
        let seconds =
            i64::from(self.first_delay_seconds).saturating_mul(factor).min(i64::from(self.max_delay_seconds));
        TimeDelta::try_seconds(seconds)
    }

    /// After how long without an attempt the counter starts afresh.
    pub fn forget_after(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.forget_after_seconds))
    }
}

/// The recent attempts to log in with one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts since the last success.
    pub failures: u32,
    /// No attempt is let through before this moment.
    pub blocked_until: Option<DateTime<Utc>>,
    /// When the last attempt was let through.
    pub last_at: DateTime<Utc>,
}

/// Wait this long before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// What remains of the delay, at least a second.
    pub retry_after: Duration,
}

impl Attempts {
    /// The counter of an address that nobody tried yet.
    pub const fn none(now: DateTime<Utc>) -> Self {
        Self { failures: 0, blocked_until: None, last_at: now }
    }

    /// Counts an attempt at `now`, to be forgotten by the caller if it turns out right.
    ///
    /// # Errors
    /// The attempt comes too early and is neither made nor counted.
    pub fn attempt(self, now: DateTime<Utc>, config: &ThrottleConfig) -> Result<Self, Blocked> {
        if let Some(wait) = self.blocked_until.map(|until| until - now)
            && wait > TimeDelta::zero()
        {
            let retry_after = wait.to_std().unwrap_or_default();
            return Err(Blocked { retry_after: retry_after.max(Duration::from_secs(1)) });
        }
        let forgotten = now - self.last_at >= config.forget_after();
        let failures = if forgotten { 1 } else { self.failures.saturating_add(1) };
        Ok(Self {
            failures,
            blocked_until: config.delay_after(failures).map(|delay| now + delay),
            last_at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(seconds: i64) -> DateTime<Utc> {
        START + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_delay_grows_after_the_free_attempts_and_stays_bounded() {
        let config = ThrottleConfig::default();
        let delays =
            (9..20).map(|failures| config.delay_after(failures).map(|d| d.num_seconds())).collect::<Vec<_>>();
        assert_eq!(
            delays,
            [
                None,
                Some(5),
                Some(10),
                Some(20),
                Some(40),
                Some(80),
                Some(160),
                Some(320),
                Some(640),
                Some(900),
                Some(900)
            ]
        );
        assert_eq!(config.delay_after(u32::MAX), TimeDelta::try_seconds(900));
    }

    #[test]
    fn a_blocked_attempt_is_not_counted_and_says_how_long_to_wait() {
        let config = ThrottleConfig { free_attempts: 2, ..ThrottleConfig::default() };
        let once = Attempts::none(START).attempt(START, &config).unwrap();
        assert_eq!(once.blocked_until, None);
        let twice = once.attempt(START, &config).unwrap();
        assert_eq!(twice.blocked_until, Some(at(5)));
        assert_eq!(twice.attempt(at(2), &config), Err(Blocked { retry_after: Duration::from_secs(3) }));
        let thrice = twice.attempt(at(5), &config).unwrap();
        assert_eq!(thrice.blocked_until, Some(at(15)));
    }

    #[test]
    fn a_quiet_day_forgets_everything() {
        let config = ThrottleConfig::default();
        let many = Attempts { failures: 30, blocked_until: Some(at(900)), last_at: START };
        let next = many.attempt(at(86_400), &config).unwrap();
        assert_eq!((next.failures, next.blocked_until), (1, None));
    }
}
