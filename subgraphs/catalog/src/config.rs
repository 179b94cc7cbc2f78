//! Section `[catalog]` of the configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use garde::Validate;
use graphql_kit::{AuthConfig, Limits};
use serde::Deserialize;

/// Everything that can be set for the catalog.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the role listens.
    #[garde(skip)]
    pub listen: SocketAddr,
    /// How access tokens are checked.
    #[garde(dive)]
    pub auth: AuthConfig,
    /// How large an operation may be.
    #[garde(dive)]
    pub limits: Limits,
    /// What is kept of what was read.
    #[garde(dive)]
    pub cache: CacheConfig,
}

/// Section `[catalog.cache]`.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Without it everything is read from the database each time.
    #[garde(skip)]
    pub enabled: bool,
    /// What a process that was not told of a change may lag behind.
    #[garde(range(min = 1, max = 30))]
    pub max_age_seconds: u32,
    /// How many shows are kept; as many movies, theaters and cities.
    #[garde(range(min = 100, max = 1_000_000))]
    pub max_entries: u32,
    /// How many screens are kept; with their layouts they are large, about 10 KB.
    #[garde(range(min = 10, max = 100_000))]
    pub max_screens: u32,
    /// How many lists of each kind are kept: programmes, pages, what a search found.
    #[garde(range(min = 10, max = 100_000))]
    pub max_lists: u32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { enabled: true, max_age_seconds: 30, max_entries: 10_000, max_screens: 2_000, max_lists: 2_000 }
    }
}

impl CacheConfig {
    /// Zero when nothing is to be kept.
    pub(crate) fn max_age(self) -> Duration {
        if self.enabled { Duration::from_secs(self.max_age_seconds.into()) } else { Duration::ZERO }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)),
            auth: AuthConfig::default(),
            limits: Limits::default(),
            cache: CacheConfig::default(),
        }
    }
}
