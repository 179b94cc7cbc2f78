//! Keeping what the gateway has counted for API keys.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use platform::{Redis, redis::RedisError};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    domain::{Period, Usage},
    store::{api_key, api_key_usage},
};

/// How many keys are read at once.
const BATCH: u64 = 200;
/// Redis keeps counts for three days, so an outage of two may be made up for.
const DAYS_BACK: u64 = 2;

/// Counts could not be kept. What was kept stays so.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// PostgreSQL.
    #[error("the database failed: {0}")]
    Db(#[from] DbErr),
    /// Redis.
    #[error("the counts cannot be read: {0}")]
    Redis(#[from] RedisError),
}

/// What one run has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Of how many keys.
    pub keys: usize,
    /// How many counts, changed or not.
    pub counts: usize,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} counts of {} keys", self.counts, self.keys)
    }
}

/// Copies the counts of today and the days before from Redis to PostgreSQL, and back what Redis has
/// lost. Safe to repeat, and to run twice at once: a count is never lowered.
///
/// # Errors
/// [`UsageError`].
pub async fn keep_usage(
    pg: &DatabaseConnection,
    redis: &Redis,
    now: DateTime<Utc>,
) -> Result<Copied, UsageError> {
    let today = now.date_naive();
    let days: Vec<NaiveDate> =
        (0..=DAYS_BACK).filter_map(|back| today.checked_sub_days(Days::new(back))).collect();
    let period = Period { from: *days.last().unwrap_or(&today), to: today };
    // A key that ended on one of those days, or whose last token outlived it, is still counted.
    let since = now - TimeDelta::days(4);
    let (mut copied, mut before) = (Copied::default(), None);
    loop {
        let keys = api_key::api_key_ids_in_use(pg, since, before, BATCH).await?;
        let Some(last) = keys.last() else { break };
        before = Some(*last);
        let usage = api_key_usage::usage_counted(redis, &keys, &days).await?;
        api_key_usage::usage_upsert(pg, &usage).await?;
        let kept = api_key_usage::usage_list(pg, &keys, period).await?;
        api_key_usage::usage_restore(redis, &lost(kept, &usage)).await?;
        copied.keys += keys.len();
        copied.counts += usage.len();
    }
    tracing::debug!(%copied, "usage of API keys kept");
    Ok(copied)
}

/// Of what was `kept`, what is more than was `counted`.
fn lost(kept: Vec<Usage>, counted: &[Usage]) -> Vec<Usage> {
    let counted: HashMap<_, _> = counted
        .iter()
        .map(|usage| ((usage.key, usage.day, usage.class.as_str()), usage.operations))
        .collect();
    let known = |usage: &Usage| counted.get(&(usage.key, usage.day, usage.class.as_str())).copied();
    kept.into_iter().filter(|usage| known(usage).unwrap_or(0) < usage.operations).collect()
}
