//! `[booking.challenge]`

use std::time::Duration;

use garde::Validate;
use graphql_kit::Role;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Who checks the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeMode {
    /// Nobody: shows cannot be marked, and marks count for nothing.
    #[default]
    Off,
    /// This process, by comparing with `static_token`: for tests and development.
    Static,
    /// A service with the `siteverify` interface.
    Http,
}

/// What happens to holds while the service gives no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are refused.
    #[default]
    Closed,
    /// They are given.
    Open,
}

/// Proof that a person holds seats of a show that was marked so.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ChallengeConfig {
    /// Who checks the tokens: `off`, `static` or `http`.
    #[garde(custom(|mode: &ChallengeMode, (): &()| self.complete(*mode)))]
    pub mode: ChallengeMode,
    /// What browsers get a challenge with; the service gives it along with the secret.
    #[garde(length(max = 256))]
    pub site_key: String,
    /// What we ask the service with.
    #[garde(skip)]
    pub secret: SecretString,
    /// Where the service checks tokens, such as
    /// `https://challenges.cloudflare.com/turnstile/v0/siteverify`.
    #[garde(skip)]
    pub verify_url: String,
    /// How `static` tokens begin; each of them is good once, so something follows.
    #[garde(skip)]
    pub static_token: SecretString,
    /// Limit on one question to the service, in milliseconds.
    #[garde(range(min = 50, max = 30_000))]
    pub timeout_ms: u32,
    /// What happens to holds while the service gives no verdict: `closed` or `open`.
    #[garde(skip)]
    pub on_failure: OnFailure,
    /// How long a used token is remembered, in seconds: at least as long as the service takes it.
    #[garde(range(min = 60, max = 86_400))]
    pub remember_seconds: u32,
    /// Who needs no token.
    #[garde(skip)]
    pub exempt_roles: Vec<Role>,
    /// Whether API keys need none. Behind a key there is no browser; its allotment limits it.
    #[garde(skip)]
    pub exempt_api_keys: bool,
}

impl Default for ChallengeConfig {
    fn default() -> Self {
        Self {
            mode: ChallengeMode::default(),
            site_key: String::new(),
            secret: SecretString::default(),
            verify_url: String::new(),
            static_token: SecretString::default(),
            timeout_ms: 3_000,
            on_failure: OnFailure::default(),
            remember_seconds: 600,
            exempt_roles: vec![Role::Staff, Role::Manager, Role::Admin],
            exempt_api_keys: true,
        }
    }
}

impl ChallengeConfig {
    /// Limit on one question to the service.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// How long a used token is remembered.
    pub fn remember(&self) -> Duration {
        Duration::from_secs(self.remember_seconds.into())
    }

    /// Each mode needs settings of its own.
    fn complete(&self, mode: ChallengeMode) -> garde::Result {
        let given = |secret: &SecretString| !secret.expose_secret().is_empty();
        let missing = match mode {
            ChallengeMode::Off => None,
            ChallengeMode::Static => {
                (!given(&self.static_token)).then_some("`static` needs challenge.static_token")
            }
            ChallengeMode::Http if reqwest::Url::parse(&self.verify_url).is_err() => {
                Some("`http` needs challenge.verify_url, the address where the service checks tokens")
            }
            ChallengeMode::Http if !given(&self.secret) => {
                Some("`http` needs challenge.secret, which the service gives to its customers")
            }
            ChallengeMode::Http => self
                .site_key
                .is_empty()
                .then_some("`http` needs challenge.site_key, which browsers get a challenge with"),
        };
        missing.map_or(Ok(()), |what| Err(garde::Error::new(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_says_what_it_needs() {
        let http = ChallengeConfig {
            mode: ChallengeMode::Http,
            site_key: "site".to_owned(),
            secret: "s".into(),
            verify_url: "https://verify.test/siteverify".to_owned(),
            ..ChallengeConfig::default()
        };
        for (config, what) in [
            (ChallengeConfig::default(), None),
            (http.clone(), None),
            (ChallengeConfig { verify_url: "verify".to_owned(), ..http.clone() }, Some("verify_url")),
            (ChallengeConfig { secret: "".into(), ..http.clone() }, Some("secret")),
            (ChallengeConfig { site_key: String::new(), ..http.clone() }, Some("site_key")),
            (ChallengeConfig { mode: ChallengeMode::Static, ..http.clone() }, Some("static_token")),
            (ChallengeConfig { mode: ChallengeMode::Static, static_token: "x".into(), ..http }, None),
        ] {
            let report = config.validate().err().map(|report| report.to_string());
            assert_eq!(report.is_some(), what.is_some(), "{report:?}");
            assert!(report.unwrap_or_default().contains(what.unwrap_or_default()), "{what:?}");
        }
    }
}
