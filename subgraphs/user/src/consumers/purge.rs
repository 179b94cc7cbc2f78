//! Forgets expired sessions, spent tokens and old attempts to log in.

use std::time::Duration;

use platform::{Deps, Shutdown, job};

use crate::{Config, app};

const EVERY: Duration = Duration::from_hours(1);

/// Runs the job in one worker at a time.
pub(super) fn start(config: &Config, deps: &Deps, shutdown: &Shutdown) {
    let (pg, clock) = (deps.pg.clone(), deps.clock.clone());
    let forget_after = config.throttle.forget_after();
    job::every_as_leader("users-purge", EVERY, deps.pg.clone(), shutdown, move || {
        let (pg, now) = (pg.clone(), clock.now());
        async move { app::purge(&pg, now, forget_after).await }
    });
}
