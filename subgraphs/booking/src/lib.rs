//! The booking subgraph: seat maps, holds, bookings, payments, tickets.
//!
//! PostgreSQL decides who owns a seat, Redis holds seats for people who are choosing.
//!
//! Layers: `graphql`, `routes`, `consumers` → `app` → `store`, `payments` → `domain`.
//!
//! Architecture invariant: a seat belongs to a booking when, and only when, the primary key of
//! `booking.seat_allocations` says so. What Redis shows follows from that, never the reverse.
//!
//! Architecture invariant: a captured payment ends in tickets or in one refund. Every step of
//! that is a message that may be repeated, late or out of order.
//!
//! Architecture invariant: no transaction touches two shows.

pub mod app;
pub mod challenge;
pub mod config;
pub mod consumers;
pub mod domain;
pub mod payments;
pub mod store;

mod graphql;
mod routes;

use std::sync::Arc;

use axum::Router;
use graphql_kit::TokenVerifier;
use platform::http::{self, Readiness};
use platform::{Deps, Shutdown, Telemetry};

use app::{App, SetupError};
pub use config::Config;
pub use consumers::{consumers, queues};
pub use graphql::{Schema, schema};
pub use store::seats::SeatValidators;

/// `/graphql`, `/ws`, `/webhooks/stripe` and `/.well-known/ticket-keys.json`.
///
/// # Errors
/// [`SetupError`] names the setting that cannot work.
pub fn routes(config: Config, deps: &Deps, shutdown: &Shutdown) -> Result<Router, SetupError> {
    let verifier = deps.verifiers.get(&config.auth, &deps.clock)?;
    let app = App::new(config, deps.clone())?;
    Ok(routes_over(&app, verifier, shutdown))
}

/// The same over use cases that exist.
pub fn routes_over(app: &Arc<App>, verifier: TokenVerifier, shutdown: &Shutdown) -> Router {
    app.live.listen(shutdown);
    app.seats.listen(shutdown);
    graphql::routes(app, verifier, shutdown).merge(routes::routes(app))
}

/// All that the role `booking` serves until `shutdown`: [`routes`], and those for machines.
///
/// # Errors
/// [`SetupError`] names the setting that cannot work.
pub fn role(
    config: Config,
    deps: &Deps,
    telemetry: &Telemetry,
    shutdown: &Shutdown,
) -> Result<Router, SetupError> {
    let readiness = Readiness::new(shutdown, telemetry).postgres(&deps.pg).redis(&deps.redis);
    Ok(routes(config, deps, shutdown)?.merge(http::ops_routes(readiness)))
}
