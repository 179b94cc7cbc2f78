//! Keeps what the gateway has counted for API keys.

use std::time::Duration;

use platform::{Deps, Shutdown, job};

use crate::{Config, app};

/// Runs the job in one worker at a time.
pub(super) fn start(config: &Config, deps: &Deps, shutdown: &Shutdown) {
    let period = Duration::from_millis(config.api_keys.keep_usage_every_ms);
    let (pg, redis, clock) = (deps.pg.clone(), deps.redis.clone(), deps.clock.clone());
    job::every_as_leader("users-api-key-usage", period, deps.pg.clone(), shutdown, move || {
        let (pg, redis, now) = (pg.clone(), redis.clone(), clock.now());
        async move { app::keep_usage(&pg, &redis, now).await.map(|_| ()) }
    });
}
