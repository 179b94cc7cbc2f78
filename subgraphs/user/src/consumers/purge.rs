//! Forgets expired sessions, spent tokens and old attempts to log in.

use std::time::Duration;

use chrono::TimeDelta;
use platform::{Deps, Shutdown, job};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{Config, store::purge};
use chrono::{DateTime, Utc};

const EVERY: Duration = Duration::from_hours(1);

/// Runs the job in one worker at a time.
pub(super) fn start(config: &Config, deps: &Deps, shutdown: &Shutdown) {
    let (pg, clock) = (deps.pg.clone(), deps.clock.clone());
    let forget_after = config.throttle.forget_after();
    job::every_as_leader("users-purge", EVERY, deps.pg.clone(), shutdown, move || {
        let (pg, now) = (pg.clone(), clock.now());
        async move { purge(&pg, now, forget_after).await }
    });
}

async fn purge(pg: &DatabaseConnection, now: DateTime<Utc>, forget_after: TimeDelta) -> Result<(), DbErr> {
    let tokens = purge::refresh_token_purge(pg, now).await?;
    let sessions = purge::session_purge(pg, now).await?;
    let attempts = purge::attempt_purge(pg, now - forget_after).await?;
    tracing::info!(tokens, sessions, attempts, "purged");
    Ok(())
}
