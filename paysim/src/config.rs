//! What a sandbox is started with.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything a [`Paysim`](crate::Paysim) is started with. The default suits a test: any free port
/// on loopback, any test keys, no webhooks, nothing on disk.
#[derive(Clone)]
pub struct PaysimConfig {
    /// Where to listen; port 0 takes any free port.
    pub listen: SocketAddr,
    /// The address that links handed out (pay page, authentication step) start with; by default
    /// `http://` and the bound address.
    pub public_url: Option<String>,
    /// The secret key that the server side must present; `None` takes any that begins with
    /// `sk_test_`.
    pub secret_key: Option<String>,
    /// The publishable key that a browser may present; `None` takes any that begins with
    /// `pk_test_`.
    pub publishable_key: Option<String>,
    /// Webhook endpoints that exist from the start.
    pub webhooks: Vec<WebhookTarget>,
    /// Append-only file of JSON lines that keeps the state over a restart; `None` forgets.
    pub journal: Option<PathBuf>,
    /// How a webhook that was not answered with 2xx is tried again.
    pub retry: RetryPolicy,
}

impl Default for PaysimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            secret_key: None,
            publishable_key: None,
            webhooks: Vec::new(),
            journal: None,
            retry: RetryPolicy::default(),
        }
    }
}

/// One webhook endpoint given at start.
#[derive(Clone)]
pub struct WebhookTarget {
    /// Where events are posted to.
    pub url: String,
    /// Signing secrets. With more than one, as while a secret is being rotated, the signature
    /// header carries one `v1=` for each.
    pub secrets: Vec<String>,
    /// Event types to send; `*` stands for all.
    pub events: Vec<String>,
}

impl WebhookTarget {
    /// An endpoint for all events, signed with one secret.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { url: url.into(), secrets: vec![secret.into()], events: vec!["*".to_owned()] }
    }
}

/// Waiting times between the attempts to deliver one webhook: the first, then always doubled, up
/// to the longest.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Wait after the first failed attempt.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// Attempts in all; then the delivery is given up.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
            attempts: 60,
            timeout: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The wait after the failed attempt number `attempt` (from 1); `None` when that was the last.
    pub(crate) fn wait_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        Some(self.first.saturating_mul(factor).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
            attempts: 5,
            timeout: Duration::from_secs(1),
        };
        let waits: Vec<_> = (1..=5).map(|n| policy.wait_after(n).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(5), None]);
    }
}
