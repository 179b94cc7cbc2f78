//! What is left of all this in a build that serves people.

use std::sync::Arc;

use axum::Router;
use kernel::source::{SharedClock, SystemClock};

use super::UnknownMutant;

/// Routes for tests: none.
pub const PATHS: [&str; 0] = [];

/// A step that tests may make the process die at, wait at or panic at. Names are `flow.step`,
/// told in the past: `confirm.committed`.
#[inline]
pub async fn reach(_step: &'static str) {}

/// Whether the deliberate bug of this name is on.
#[inline]
#[must_use]
pub const fn mutant(_name: &'static str) -> bool {
    false
}

/// The process's clock: the system's.
#[must_use]
pub fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Routes for tests: none.
pub fn routes() -> Router {
    Router::new()
}

/// Nothing to prepare.
///
/// # Errors
/// None.
#[inline]
pub const fn start() -> Result<(), UnknownMutant> {
    Ok(())
}
