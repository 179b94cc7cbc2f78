//! The catalog subgraph: cities, theaters, screens, movies, shows, and search over them.
//!
//! Layers: `graphql` → `app` → `store` → `domain`. It consumes no events; it tells the others of
//! shows (`show.scheduled`, `show.changed`, `show.cancelled`).
//!
//! Architecture invariant: a show's row and the event that tells of it commit together.

pub mod app;
mod config;
pub mod domain;
mod graphql;
mod store;

use axum::Router;
use platform::{
    Deps, Shutdown, Telemetry,
    http::{self, Readiness},
};

use app::{App, Kept};
pub use app::{
    seed::{Scale, SeedError, SeedOptions, SeedReport, seed},
    tell_all,
};
pub use config::{CacheConfig, Config};
pub use graphql::{Schema, prepare, schema, schema_within};

/// The role `catalog` could not start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No HTTP client to fetch the keys of access tokens with.
    #[error("the client that fetches the keys of access tokens cannot be made")]
    Client(#[from] reqwest::Error),
}

/// `/graphql` over the stores in `deps`.
///
/// # Errors
/// No HTTP client can be made on this machine.
pub fn routes(config: Config, deps: &Deps, shutdown: &Shutdown) -> Result<Router, SetupError> {
    let verifier = deps.verifiers.get(&config.auth, &deps.clock)?;
    let kept = Kept::shared(&config.cache, deps.redis.clone());
    let app = App::new(deps.pg.clone(), deps.clock.clone(), deps.ids.clone(), kept);
    app.follow(shutdown);
    Ok(graphql::routes(app, verifier, config.limits, shutdown))
}

/// All that the role `catalog` serves until `shutdown`: [`routes`], and those for machines.
///
/// # Errors
/// [`SetupError`].
pub fn role(
    config: Config,
    deps: &Deps,
    telemetry: &Telemetry,
    shutdown: &Shutdown,
) -> Result<Router, SetupError> {
    let readiness = Readiness::new(shutdown, telemetry).postgres(&deps.pg);
    Ok(routes(config, deps, shutdown)?.merge(http::ops_routes(readiness)))
}
