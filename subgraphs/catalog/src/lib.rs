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
use graphql_kit::TokenVerifier;
use platform::{
    Deps, Shutdown, Telemetry,
    http::{self, Readiness},
};
use tokio::net::TcpListener;

use app::App;
pub use app::seed::{Scale, SeedError, SeedOptions, SeedReport, seed};
pub use config::Config;
pub use graphql::{Schema, prepare, schema, schema_within};

/// The role `catalog` could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No HTTP client to fetch the keys of access tokens with.
    #[error("the client that fetches the keys of access tokens cannot be made")]
    Client(#[from] reqwest::Error),
    /// The listener failed.
    #[error("the listener of the role `catalog` failed")]
    Serve(#[from] std::io::Error),
}

/// `/graphql` over the stores in `deps`.
///
/// # Errors
/// No HTTP client can be made on this machine.
pub fn routes(config: Config, deps: &Deps, shutdown: &Shutdown) -> Result<Router, RunError> {
    let verifier = TokenVerifier::new(config.auth, deps.clock.clone())?;
    let app = App::new(deps.pg.clone(), deps.clock.clone(), deps.ids.clone());
    Ok(graphql::routes(app, verifier, config.limits, shutdown))
}

/// Runs the role `catalog` until `shutdown`.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    config: Config,
    deps: Deps,
    telemetry: &Telemetry,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let readiness = Readiness::new(&shutdown, telemetry).postgres(&deps.pg);
    let router = routes(config, &deps, &shutdown)?.merge(http::ops_routes(readiness));
    Ok(http::serve(listener, router, &shutdown).await?)
}
