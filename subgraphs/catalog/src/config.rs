//! Section `[catalog]` of the configuration.

use std::net::{Ipv4Addr, SocketAddr};

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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)),
            auth: AuthConfig::default(),
            limits: Limits::default(),
        }
    }
}
