//! Forgetting what has no effect any more.

use chrono::{DateTime, Days, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::store::purge::{attempt_purge, refresh_token_purge, session_purge, usage_purge};

/// For how many days it is known how much was done with API keys: two years, for accounts between
/// partners and us.
const USAGE_DAYS: Days = Days::new(731);

/// Deletes what expired before `now`, the counters of addresses that nobody tried for
/// `forget_after`, and what API keys did long ago.
///
/// # Errors
/// The database failed; what was deleted stays so.
pub async fn purge(
    pg: &DatabaseConnection,
    now: DateTime<Utc>,
    forget_after: TimeDelta,
) -> Result<(), DbErr> {
    let tokens = refresh_token_purge(pg, now).await?;
    let sessions = session_purge(pg, now).await?;
    let attempts = attempt_purge(pg, now - forget_after).await?;
    let usage = usage_purge(pg, now.date_naive() - USAGE_DAYS).await?;
    tracing::info!(tokens, sessions, attempts, usage, "purged");
    Ok(())
}
