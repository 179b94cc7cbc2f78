//! Forgetting what has no effect any more.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use super::entity::{api_key_usage, attempt, refresh_token, session};

/// Deletes refresh tokens that expired before `time`, and tells how many.
pub(crate) async fn refresh_token_purge<C: ConnectionTrait>(
    conn: &C,
    time: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let done = refresh_token::Entity::delete_many()
        .filter(refresh_token::Column::ExpiresAt.lt(time))
        .exec(conn)
        .await?;
    Ok(done.rows_affected)
}

/// Deletes sessions that expired before `time` with their tokens, and tells how many.
pub(crate) async fn session_purge<C: ConnectionTrait>(conn: &C, time: DateTime<Utc>) -> Result<u64, DbErr> {
    let done = session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(time)).exec(conn).await?;
    Ok(done.rows_affected)
}

/// Deletes the counters of addresses that nobody tried since `time`, and tells how many.
pub(crate) async fn attempt_purge<C: ConnectionTrait>(conn: &C, time: DateTime<Utc>) -> Result<u64, DbErr> {
    let done = attempt::Entity::delete_many().filter(attempt::Column::LastAt.lt(time)).exec(conn).await?;
    Ok(done.rows_affected)
}

/// Deletes what is known of the use of keys before `day`, and tells how many rows.
pub(crate) async fn usage_purge<C: ConnectionTrait>(conn: &C, day: NaiveDate) -> Result<u64, DbErr> {
    let done =
        api_key_usage::Entity::delete_many().filter(api_key_usage::Column::Day.lt(day)).exec(conn).await?;
    Ok(done.rows_affected)
}
