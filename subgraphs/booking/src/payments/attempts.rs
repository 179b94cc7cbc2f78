//! How the attempts of a call share its time: one that hangs leaves time for the next.

use std::time::Duration;

use tokio::time::Instant;

/// Pause before the second attempt; doubled before each further one. Shorter where a call has little time: at
/// most half of it goes to pauses.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What is left of a call.
#[derive(Debug)]
pub(super) struct Attempts {
    end: Instant,
    /// The one that is being made, and those after it.
    left: u32,
    /// Before the next one.
    pause: Duration,
}

impl Attempts {
    /// Up to `count` attempts, of which the first begins now, and the last ends after `deadline`.
    pub(super) fn new(deadline: Duration, count: u32) -> Self {
        let left = count.max(1);
        let pause = FIRST_PAUSE.min(deadline / 2 / pauses(left).max(1));
        Self { end: Instant::now() + deadline, left, pause }
    }

    /// How long an attempt that begins now may take: its share of what is left. So those that failed at once
    /// leave their time to the others.
    pub(super) fn limit(&self) -> Duration {
        let left = self.end.saturating_duration_since(Instant::now());
        left.saturating_sub(self.pause * pauses(self.left)) / self.left
    }

    /// The pause before the next attempt; none when this was the last.
    pub(super) fn next(&mut self) -> Option<Duration> {
        if self.left == 1 {
            return None;
        }
        let pause = self.pause;
        self.left -= 1;
        self.pause *= 2;
        Some(pause)
    }
}

/// All pauses between so many attempts, in first pauses: 1 + 2 + 4 and so on.
fn pauses(attempts: u32) -> u32 {
    2_u32.saturating_pow(attempts - 1) - 1
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// How long each attempt may take when all hang.
    async fn check(deadline: u64, count: u32, expected: &[u64]) {
        let begun = Instant::now();
        let mut attempts = Attempts::new(Duration::from_millis(deadline), count);
        let mut limits = Vec::new();
        loop {
            let limit = attempts.limit();
            limits.push(limit.as_millis() as u64);
            advance(limit).await;
            let Some(pause) = attempts.next() else { break };
            advance(pause).await;
        }
        assert_eq!(limits, expected);
        let taken = begun.elapsed();
        assert!(taken <= Duration::from_millis(deadline), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_attempts_fit_into_the_time_of_a_call() {
        check(5_000, 3, &[1_566; 3]).await;
        check(5_000, 1, &[5_000]).await;
        check(300, 3, &[50; 3]).await;
        check(1_022, 10, &[51; 10]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_fails_at_once_leaves_its_time_to_the_others() {
        let mut attempts = Attempts::new(Duration::from_millis(5_000), 3);
        advance(attempts.next().unwrap()).await;
        assert_eq!(attempts.limit(), Duration::from_millis(2_350));
        advance(attempts.next().unwrap()).await;
        assert_eq!(attempts.limit(), Duration::from_millis(4_700));
        assert_eq!(attempts.next(), None);
    }
}
