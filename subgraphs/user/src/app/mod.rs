//! Use cases of the user subgraph. Authorisation is decided here.

mod admin;
mod api_keys;
mod change_password;
mod client_token;
mod failure;
mod key_store;
mod keys;
mod log_in;
mod log_out;
mod me;
mod operator_keys;
mod passwords;
mod purge;
mod refresh_session;
mod sessions;
mod sign_up;
mod update_profile;
mod usage;

use graphql_kit::AuthConfig;
use kernel::{SharedClock, SharedIds};
use platform::Deps;
use sea_orm::DatabaseConnection;

pub use admin::{CreateAccountError, NewAccount, Operator, RoleError};
pub use api_keys::{ApiKeyPage, CreateApiKey, CreatedApiKey};
pub use change_password::ChangePassword;
pub use client_token::{ClientToken, NoToken};
pub use failure::{Failure, Fault, Refusal};
pub use key_store::KeyStore;
pub use keys::{KeyError, KeyRing};
pub use log_in::LogIn;
pub use log_out::{LogOut, LogOutEverywhere};
pub use operator_keys::ApiKeyError;
pub use passwords::PasswordFault;
pub use purge::purge;
pub use refresh_session::RefreshSession;
pub use sessions::Grant;
pub use sign_up::SignUp;
pub use update_profile::{Change, UpdateProfile};
pub use usage::{Copied, UsageError, keep_usage};

use crate::Config;
use client_token::Pace;
use passwords::Passwords;

/// The use cases with all that they need.
pub struct App {
    pg: DatabaseConnection,
    clock: SharedClock,
    ids: SharedIds,
    passwords: Passwords,
    keys: KeyStore,
    pace: Pace,
    config: Config,
}

/// The configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The signing key or a published key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The cost of password hashes.
    #[error("user.password: these argon2 parameters do not work")]
    Password(#[source] PasswordFault),
}

impl App {
    /// The use cases over `deps`.
    ///
    /// # Errors
    /// [`SetupError`] names the setting that cannot work.
    pub fn new(config: Config, deps: &Deps) -> Result<Self, SetupError> {
        Ok(Self {
            pg: deps.pg.clone(),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            passwords: Passwords::new(&config.password, deps.ids.clone()).map_err(SetupError::Password)?,
            keys: KeyStore::load(&config)?,
            pace: Pace::new(),
            config,
        })
    }

    /// The keys that access tokens are signed with.
    pub const fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// What the access tokens of this subgraph say of their origin.
    pub fn auth_config(&self) -> AuthConfig {
        AuthConfig {
            issuer: self.config.issuer.clone(),
            audience: self.config.audience.clone(),
            ..AuthConfig::default()
        }
    }
}
