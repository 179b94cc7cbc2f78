//! A circuit breaker: when calls keep failing, stop making them for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many breakers of the process are open: from the failure that opens one to the next success.
const OPEN_BREAKERS: &str = "payment_provider_breakers_open";

/// Closed until `limit` calls in a row failed. Then open for a time, in which every call is
/// refused at once; after it one call is let through, and its outcome closes or re-opens the
/// breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    open_for: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(limit: u32, open_for: Duration) -> Self {
        metrics::gauge!(OPEN_BREAKERS).increment(0);
        Self { limit, open_for, state: Mutex::default() }
    }

    /// May a call be made now?
    pub(super) fn admit(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                // The one that may try. Should its outcome never be told, the next may after the
                // same time again.
                state.open_until = Some(now + self.open_for);
                true
            }
            None => true,
        }
    }

    /// Tells how a call that was admitted ended. `true` when this opened the breaker.
    pub(super) fn record(&self, success: bool) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if success {
            if std::mem::take(&mut *state).open_until.is_some() {
                metrics::gauge!(OPEN_BREAKERS).decrement(1);
            }
            return false;
        }
        let was_open = state.open_until.is_some();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.limit {
            state.open_until = Some(Instant::now() + self.open_for);
        }
        let opens = !was_open && state.open_until.is_some();
        if opens {
            metrics::gauge!(OPEN_BREAKERS).increment(1);
        }
        opens
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if self.state.get_mut().unwrap_or_else(PoisonError::into_inner).open_until.is_some() {
            metrics::gauge!(OPEN_BREAKERS).decrement(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_try() {
        let breaker = Breaker::new(3, OPEN);
        for _ in 0..2 {
            assert!(breaker.admit());
            assert!(!breaker.record(false));
        }
        assert!(breaker.record(false), "the third opens it");
        assert!(!breaker.admit());
        tokio::time::advance(OPEN).await;
        assert!(breaker.admit(), "one may try");
        assert!(!breaker.admit(), "only one");
        breaker.record(false);
        assert!(!breaker.admit(), "it failed: open again");
        tokio::time::advance(OPEN).await;
        assert!(breaker.admit());
        breaker.record(true);
        assert!(breaker.admit() && breaker.admit(), "it worked: closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_in_between_forgives() {
        let breaker = Breaker::new(2, OPEN);
        for _ in 0..5 {
            breaker.record(false);
            breaker.record(true);
        }
        assert!(breaker.admit());
    }
}
