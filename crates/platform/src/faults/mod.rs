//! Ways for tests to break this process on purpose: failpoints, deliberate bugs (mutants), and a
//! clock that can be moved. They exist with the feature `faults` only, which no build that serves
//! people has; without it all of this is nothing, and costs nothing.
//!
//! A failpoint stands between two steps of a flow, where a crash would hurt most:
//!
//! ```
//! # async fn confirm() {
//! // … the transaction is committed …
//! platform::faults::reach("confirm.committed").await;
//! // … and now Redis is told.
//! # }
//! ```
//!
//! A mutant is a bug that a test harness has to find, or it proves nothing:
//! `if platform::faults::mutant("no_inbox") { return Ok(true) }`.

#[cfg(not(feature = "faults"))]
mod off;
#[cfg(feature = "faults")]
mod on;
#[cfg(feature = "faults")]
mod routes;

#[cfg(not(feature = "faults"))]
pub use off::{PATHS, clock, mutant, reach, routes, start};
#[cfg(feature = "faults")]
pub use on::{Mutant, clock, mutant, mutants, reach, start};
#[cfg(feature = "faults")]
pub use routes::{PATHS, routes};

/// `MARQUEE_MUTANT` names a deliberate bug that nobody has written.
#[derive(Debug, thiserror::Error)]
#[error("MARQUEE_MUTANT: there is no mutant `{name}`; there are {known}")]
pub struct UnknownMutant {
    /// What was asked for.
    pub name: String,
    /// All names, separated by commas.
    pub known: String,
}
