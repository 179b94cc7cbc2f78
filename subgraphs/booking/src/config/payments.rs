//! `[booking.payments]`

use std::time::Duration;

use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The payment provider: anything that speaks Stripe's wire format.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsConfig {
    /// Root of the provider's API, without a trailing slash.
    #[garde(url)]
    pub api_base: String,
    /// The key that authorises our calls (`sk_…`).
    #[garde(skip)]
    pub secret_key: SecretString,
    /// The key that browsers use (`pk_…`).
    #[garde(skip)]
    pub publishable_key: String,
    /// Secrets that sign webhooks; during a rotation the old and the new one. Without any, no
    /// webhook is believed.
    #[garde(custom(not_empty))]
    pub webhook_secrets: Vec<SecretString>,
    /// How far a webhook's timestamp may be from our clock, in seconds.
    #[garde(range(min = 1, max = 3_600))]
    pub webhook_tolerance_seconds: u32,
    /// A page where a person can pay, with `{intent}` and `{client_secret}` filled in. For the
    /// sandbox; a real provider is paid by the client through the provider's own code.
    #[garde(skip)]
    pub pay_url_template: Option<String>,
    /// Limit on connecting to the provider, in milliseconds.
    #[garde(range(min = 10, max = 30_000))]
    pub connect_timeout_ms: u32,
    /// Limit on one call to the provider: all its attempts, which share it, and the pauses between them, in
    /// milliseconds.
    #[garde(range(min = 50, max = 60_000))]
    pub timeout_ms: u32,
    /// Attempts for one call, the first included.
    #[garde(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// Failed calls in a row after which calls are refused at once.
    #[garde(range(min = 1, max = 1_000))]
    pub breaker_failures: u32,
    /// How long they are refused before one is let through to try, in milliseconds.
    #[garde(range(min = 10, max = 600_000))]
    pub breaker_open_ms: u32,
    /// How often it is looked for refunds that have been pending for long, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub refund_chase_seconds: u32,
}

impl Default for PaymentsConfig {
    fn default() -> Self {
        Self {
            api_base: "http://127.0.0.1:4010".to_owned(),
            secret_key: SecretString::default(),
            publishable_key: String::new(),
            webhook_secrets: Vec::new(),
            webhook_tolerance_seconds: 300,
            pay_url_template: None,
            connect_timeout_ms: 1_000,
            timeout_ms: 5_000,
            max_attempts: 3,
            breaker_failures: 5,
            breaker_open_ms: 10_000,
            refund_chase_seconds: 180,
        }
    }
}

impl PaymentsConfig {
    /// Limit on connecting.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    /// Limit on one call with all its attempts.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// How long an open breaker refuses.
    pub fn breaker_open(&self) -> Duration {
        Duration::from_millis(self.breaker_open_ms.into())
    }

    /// How often it is looked for refunds that have been pending for long.
    pub fn refund_chase(&self) -> Duration {
        Duration::from_secs(self.refund_chase_seconds.into())
    }

    /// The page where this intent can be paid, when there is one.
    pub fn pay_url(&self, intent: &str, client_secret: &str) -> Option<String> {
        let template = self.pay_url_template.as_deref()?;
        Some(template.replace("{intent}", intent).replace("{client_secret}", client_secret))
    }
}

/// Anybody could sign with an empty secret.
fn not_empty(secrets: &[SecretString], _context: &()) -> garde::Result {
    if secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
        return Err(garde::Error::new("a webhook secret must not be empty; leave it out instead"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_webhook_secret_is_refused() {
        let with = |secrets: Vec<SecretString>| PaymentsConfig {
            webhook_secrets: secrets,
            ..PaymentsConfig::default()
        };
        assert!(with(Vec::new()).validate().is_ok());
        assert!(with(vec!["whsec_x".into()]).validate().is_ok());
        assert!(with(vec!["whsec_x".into(), "".into()]).validate().is_err());
    }

    #[test]
    fn the_page_to_pay_at_is_filled_in() {
        let mut config = PaymentsConfig::default();
        assert_eq!(config.pay_url("pi_1", "s"), None);
        config.pay_url_template = Some("https://pay/{intent}?client_secret={client_secret}".to_owned());
        assert_eq!(config.pay_url("pi_1", "s").unwrap(), "https://pay/pi_1?client_secret=s");
    }
}
