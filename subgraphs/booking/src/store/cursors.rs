//! `booking.reconcile_cursors`: where the rounds of reconciliation go on, and until when something
//! that is kept up to date was so.

use std::time::Duration;

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
) -> Result<(), StoreError> {
    let statement = match position {
        Some(position) => sql(
            "insert into booking.reconcile_cursors (name, position, updated_at)
             values ($1, $2, booking.now())
                 on conflict on constraint reconcile_cursors_pkey do update
                set position = excluded.position, updated_at = excluded.updated_at",
            [name.into(), position.into()],
        ),
        None => sql("delete from booking.reconcile_cursors where name = $1", [name.into()]),
    };
    conn.execute_raw(statement).await?;
    Ok(())
}

/// How long ago that was which [`cursor_mark`] wrote down, by the clock of the database.
///
/// # Errors
/// When the table cannot be read.
pub async fn cursor_age<C: ConnectionTrait>(conn: &C, name: &str) -> Result<Option<Duration>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select extract(epoch from clock_timestamp() - updated_at)::double precision as age
               from booking.reconcile_cursors where name = $1",
            [name.into()],
        ))
        .await?;
    let age: Option<f64> = row.map(|row| row.try_get("", "age")).transpose()?;
    Ok(age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()))
}

/// Remembers that something was up to date this long ago; what is later stands.
///
/// # Errors
/// When the table cannot be written.
pub async fn cursor_mark<C: ConnectionTrait>(conn: &C, name: &str, ago: Duration) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "insert into booking.reconcile_cursors as c (name, position, updated_at)
         values ($1, '', clock_timestamp() - $2::double precision * interval '1 second')
             on conflict on constraint reconcile_cursors_pkey do update
            set updated_at = greatest(c.updated_at, excluded.updated_at)",
        [name.into(), ago.as_secs_f64().into()],
    ))
    .await?;
    Ok(())
}
