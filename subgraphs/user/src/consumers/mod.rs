//! What the role `worker` does for this subgraph.

mod purge;
mod usage;

use platform::{Deps, Shutdown};

use crate::Config;

/// Starts the periodic jobs of this subgraph. It consumes no queue.
pub fn consumers(config: &Config, deps: &Deps, shutdown: &Shutdown) {
    purge::start(config, deps, shutdown);
    usage::start(config, deps, shutdown);
}
