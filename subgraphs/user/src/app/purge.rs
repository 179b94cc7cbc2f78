//! Forgetting what has no effect any more.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::store::purge::{attempt_purge, refresh_token_purge, session_purge};

/// Deletes what expired before `now`, and the counters of addresses that nobody tried for
/// `forget_after`.
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
    tracing::info!(tokens, sessions, attempts, "purged");
    Ok(())
}
