//! The user subgraph: accounts, sessions, profiles, and the access tokens that all other
//! subgraphs verify by the keys published here.
//!
//! Layers: `graphql`, `consumers` → `app` → `store` → `domain`.
//!
//! Architecture invariant: passwords, refresh tokens and the secrets of API keys are stored as hashes
//! only, and neither they nor names and addresses are ever logged.

pub mod app;
mod config;
mod consumers;
pub mod domain;
mod graphql;
mod jwks;
mod oauth;
mod store;

use std::{sync::Arc, time::Duration};

use axum::Router;
use graphql_kit::TokenVerifier;
use platform::{
    Deps, Shutdown, Telemetry,
    http::{self, Readiness},
    job,
};

use app::{App, SetupError};
pub use config::{ApiKeyConfig, Config, PasswordConfig};
pub use consumers::consumers;
pub use domain::ThrottleConfig;
pub use graphql::{Schema, schema};

/// `/graphql`, `/.well-known/jwks.json` and `/oauth/token`.
///
/// # Errors
/// [`SetupError`] names the setting that cannot work.
pub fn routes(config: Config, deps: &Deps, shutdown: &Shutdown) -> Result<Router, SetupError> {
    let (limits, watch) = (config.limits, config.keys_file.is_some());
    let every = Duration::from_millis(config.keys_file_every_ms);
    let app = Arc::new(App::new(config, deps)?);
    let ring = app.keys().ring();
    let verifier = TokenVerifier::fixed(app.auth_config(), deps.clock.clone(), ring.published());
    if watch {
        follow_keys(&app, &verifier, every, shutdown);
    }
    let tokens = oauth::routes(Arc::clone(&app));
    Ok(jwks::routes(Arc::clone(&app)).merge(tokens).merge(graphql::routes(app, verifier, limits, shutdown)))
}

/// Uses the keys of the file as they change.
fn follow_keys(app: &Arc<App>, verifier: &TokenVerifier, every: Duration, shutdown: &Shutdown) {
    let (app, verifier) = (Arc::clone(app), verifier.clone());
    job::every("users-keys-file", every, shutdown, move || {
        let changed = app.keys().reload();
        if let Ok(Some(ring)) = &changed {
            verifier.replace(ring.published());
        }
        async { changed.map(|_| ()) }
    });
}

/// All that the role `user` serves until `shutdown`: [`routes`], and those for machines.
///
/// # Errors
/// [`SetupError`] names the setting that cannot work.
pub fn role(
    config: Config,
    deps: &Deps,
    telemetry: &Telemetry,
    shutdown: &Shutdown,
) -> Result<Router, SetupError> {
    let readiness = Readiness::new(shutdown, telemetry).postgres(&deps.pg);
    Ok(routes(config, deps, shutdown)?.merge(http::ops_routes(readiness)))
}
