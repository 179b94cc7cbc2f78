//! A circuit breaker: when calls keep failing, stop making them for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::CALLS;

/// How many breakers of the process are open: from the failure that opens one to the next success.
const OPEN_BREAKERS: &str = "payment_provider_breakers_open";

/// Closed until `limit` calls in a row failed. Then open for a time, in which every call is
/// refused at once; after it one call is let through, and its outcome closes or re-opens the
/// breaker. A call that is given up before its end failed: whoever made it did not get an answer in the time
/// that they had.
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

    /// A call of this name that may be made now; none while calls are refused.
    pub(super) fn admit(&self, operation: &'static str) -> Option<Admitted<'_>> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if now < until => return None,
            // The one that may try: until its outcome is told, for the same time again at most, no other does.
            Some(_) => state.open_until = Some(now + self.open_for),
            None => {}
        }
        Some(Admitted { breaker: self, operation, is_over: false })
    }

    /// `true` when this opened the breaker.
    fn record(&self, success: bool) -> bool {
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

/// A call that is under way.
#[derive(Debug)]
#[must_use = "dropped, the call has failed"]
pub(super) struct Admitted<'a> {
    breaker: &'a Breaker,
    operation: &'static str,
    is_over: bool,
}

impl Admitted<'_> {
    /// Tells how the call ended.
    pub(super) fn end(mut self, success: bool) {
        self.record(success);
    }

    fn record(&mut self, success: bool) {
        self.is_over = true;
        if self.breaker.record(success) {
            tracing::error!(operation = self.operation, "payment provider: circuit opened");
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            metrics::counter!(CALLS, "operation" => self.operation, "outcome" => "given_up").increment(1);
            self.record(false);
        }
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

    fn call(breaker: &Breaker, success: bool) {
        breaker.admit("call").unwrap().end(success);
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_try() {
        let breaker = Breaker::new(3, OPEN);
        for _ in 0..3 {
            call(&breaker, false);
        }
        assert!(breaker.admit("call").is_none(), "the third opens it");
        tokio::time::advance(OPEN).await;
        let one = breaker.admit("call").unwrap();
        assert!(breaker.admit("call").is_none(), "only one may try");
        one.end(false);
        assert!(breaker.admit("call").is_none(), "it failed: open again");
        tokio::time::advance(OPEN).await;
        call(&breaker, true);
        let (one, other) = (breaker.admit("call").unwrap(), breaker.admit("call").unwrap());
        one.end(true);
        other.end(true);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_in_between_forgives() {
        let breaker = Breaker::new(2, OPEN);
        for _ in 0..5 {
            call(&breaker, false);
            call(&breaker, true);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_failed() {
        let breaker = Breaker::new(2, OPEN);
        for _ in 0..2 {
            drop(breaker.admit("call").unwrap());
        }
        assert!(breaker.admit("call").is_none());
        tokio::time::advance(OPEN).await;
        drop(breaker.admit("call").unwrap());
        assert!(breaker.admit("call").is_none(), "open again");
    }
}
