//! Forgets old deliveries, which say where people have been, and inbox rows.

use std::time::Duration;

use chrono::TimeDelta;
use platform::{Deps, Shutdown, inbox, job};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    Config,
    store::{SCHEMA, delivery, now},
};

const EVERY: Duration = Duration::from_hours(1);
/// Rows per statement: locks and dead rows stay few.
const CHUNK: u32 = 1_000;

/// Runs the job in one worker at a time.
pub(crate) fn start(config: &Config, deps: &Deps, shutdown: &Shutdown) {
    let pg = deps.pg.clone();
    let keep = TimeDelta::days(config.keep_days.into());
    let name = "notification-purge";
    job::every_as_leader(name, EVERY, deps.pg.clone(), shutdown, move || {
        let pg = pg.clone();
        async move { purge(&pg, keep).await }
    });
}

async fn purge(pg: &DatabaseConnection, keep: TimeDelta) -> Result<(), DbErr> {
    let before = now(pg).await? - keep;
    while delivery::delivery_purge(pg, before, CHUNK).await? == u64::from(CHUNK) {}
    while inbox::purge(pg, SCHEMA, before, CHUNK).await? == u64::from(CHUNK) {}
    Ok(())
}
