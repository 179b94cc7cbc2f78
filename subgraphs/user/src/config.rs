//! Section `[user]` of the configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use chrono::TimeDelta;
use garde::Validate;
use graphql_kit::Limits;
use secrecy::SecretString;
use serde::Deserialize;

use crate::domain::{Locale, ThrottleConfig};

/// Everything that can be set about the user subgraph.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the subgraph listens.
    #[garde(skip)]
    pub listen: SocketAddr,
    /// Base 64 of the 32-byte Ed25519 seed that signs access tokens: `openssl rand -base64 32`.
    /// There is no default; the role `user` does not start without it.
    #[garde(skip)]
    pub signing_key: SecretString,
    /// Base 64 of Ed25519 public keys (`x` in the published set) that are published beside the
    /// active one. To change the key without refusing anyone: first add the *new* public key here
    /// on every instance, then make its seed the `signing_key` and put the *old* public key here,
    /// and remove that once `access_token_ttl_seconds` has passed.
    #[garde(skip)]
    pub previous_keys: Vec<String>,
    /// A file (TOML) with `signing_key` and `previous_keys`, which are used instead of the settings of
    /// these names. It is read again when it has changed, so that keys are rotated without restart.
    #[garde(skip)]
    pub keys_file: Option<PathBuf>,
    /// How often it is looked at whether that file has changed, in milliseconds.
    #[garde(range(min = 10, max = 3_600_000))]
    pub keys_file_every_ms: u64,
    /// `iss` of access tokens; every verifier must expect the same.
    #[garde(length(min = 1))]
    pub issuer: String,
    /// `aud` of access tokens; every verifier must expect the same.
    #[garde(length(min = 1))]
    pub audience: String,
    /// Life of an access token in seconds. It stays valid for that long after a log-out.
    #[garde(range(min = 60, max = 3_600))]
    pub access_token_ttl_seconds: u32,
    /// How many seconds a session lives without being refreshed.
    #[garde(range(min = 3_600, max = 31_536_000))]
    pub refresh_token_ttl_seconds: u32,
    /// After how many seconds a session ends, however often it was refreshed.
    #[garde(range(min = 3_600, max = 63_072_000))]
    pub session_ttl_seconds: u32,
    /// Language of accounts that did not choose one.
    #[garde(custom(is_locale))]
    pub default_locale: String,
    /// The cost of a password hash.
    #[garde(dive)]
    pub password: PasswordConfig,
    /// How fast passwords may be guessed.
    #[garde(dive)]
    pub throttle: ThrottleConfig,
    /// The keys of partners' programs.
    #[garde(dive)]
    pub api_keys: ApiKeyConfig,
    /// How large an operation may be.
    #[garde(dive)]
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4003)),
            signing_key: SecretString::from(""),
            previous_keys: Vec::new(),
            keys_file: None,
            keys_file_every_ms: 10_000,
            issuer: "marquee".to_owned(),
            audience: "marquee".to_owned(),
            access_token_ttl_seconds: 15 * 60,
            refresh_token_ttl_seconds: 30 * 86_400,
            session_ttl_seconds: 180 * 86_400,
            default_locale: Locale::default().as_str().to_owned(),
            password: PasswordConfig::default(),
            throttle: ThrottleConfig::default(),
            api_keys: ApiKeyConfig::default(),
            limits: Limits::default(),
        }
    }
}

/// The cost of an argon2id hash. Accounts get a new hash at their next log-in after a change.
///
/// The defaults are those of the OWASP Password Storage Cheat Sheet.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordConfig {
    /// Memory in KiB.
    #[garde(range(min = 8, max = 1_048_576))]
    pub memory_kib: u32,
    /// Passes over the memory.
    #[garde(range(min = 1, max = 100))]
    pub iterations: u32,
    /// Lanes.
    #[garde(range(min = 1, max = 64))]
    pub parallelism: u32,
    /// How many hashes are computed at the same time; without it, one for each core.
    #[garde(inner(range(min = 1)))]
    pub max_concurrent: Option<usize>,
    /// A request that waited this many milliseconds for its turn is refused.
    #[garde(range(min = 1, max = 60_000))]
    pub max_wait_ms: u32,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, max_concurrent: None, max_wait_ms: 5_000 }
    }
}

/// The keys of partners' programs.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// Life of a key's access token in seconds. It stays valid for that long after the key was
    /// revoked.
    #[garde(range(min = 30, max = 900))]
    pub token_ttl_seconds: u32,
    /// How many tokens one key can have in a minute from one process.
    #[garde(range(min = 1, max = 100_000))]
    pub tokens_per_minute: u32,
    /// How many good keys an account can have.
    #[garde(range(min = 1, max = 1_000))]
    pub per_account: u32,
    /// How many days a key can live.
    #[garde(range(min = 1, max = 3_650))]
    pub longest_days: u32,
    /// How often the worker keeps what the gateway has counted, in milliseconds: so old what
    /// `ApiKey.usage` shows can be. The gateway's counts live for three days.
    #[garde(range(min = 100, max = 86_400_000))]
    pub keep_usage_every_ms: u64,
}

impl Default for ApiKeyConfig {
    fn default() -> Self {
        Self {
            token_ttl_seconds: 300,
            tokens_per_minute: 60,
            per_account: 20,
            longest_days: 731,
            keep_usage_every_ms: 60_000,
        }
    }
}

impl ApiKeyConfig {
    /// How long a key can live.
    pub(crate) fn longest(&self) -> TimeDelta {
        TimeDelta::days(self.longest_days.into())
    }
}

fn is_locale(text: &str, _: &()) -> garde::Result {
    Locale::parse(text).map(|_| ()).map_err(|invalid| garde::Error::new(invalid.message))
}
