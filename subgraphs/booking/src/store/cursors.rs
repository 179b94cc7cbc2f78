//! `booking.reconcile_cursors`: where the rounds of reconciliation go on.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use super::{StoreError, sql};

/// Where a round goes on; none when it begins anew.
///
/// # Errors
/// When the table cannot be read.
pub async fn cursor_get<C: ConnectionTrait>(conn: &C, name: &str) -> Result<Option<String>, StoreError> {
    let row = conn
        .query_one_raw(sql("select position from booking.reconcile_cursors where name = $1", [name.into()]))
        .await?;
    Ok(row.map(|row| row.try_get("", "position")).transpose()?)
}

/// Remembers where a round goes on; with none it begins anew.
///
/// # Errors
/// When the table cannot be written.
pub async fn cursor_set<C: ConnectionTrait>(
    conn: &C,
    name: &str,
    position: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let statement = match position {
        Some(position) => sql(
            "insert into booking.reconcile_cursors (name, position, updated_at)
             values ($1, $2, $3)
                 on conflict on constraint reconcile_cursors_pkey do update
                set position = excluded.position, updated_at = excluded.updated_at",
            [name.into(), position.into(), now.into()],
        ),
        None => sql("delete from booking.reconcile_cursors where name = $1", [name.into()]),
    };
    conn.execute_raw(statement).await?;
    Ok(())
}
