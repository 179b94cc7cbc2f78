//! `booking.booking_history`: the bookings of a user, a read model keyed by its reader.

use chrono::{DateTime, Utc};
use kernel::{BookingId, ShowId, UserId};
use sea_orm::ConnectionTrait;

use super::{StoreError, sql};
use crate::domain::booking::{Booking, BookingStatus};

/// A line of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The booking.
    pub booking: BookingId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Takes over the state of a booking unless the history already has this version or a later one.
///
/// # Errors
/// When the table cannot be written.
pub async fn history_upsert<C: ConnectionTrait>(conn: &C, booking: &Booking) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "insert into booking.booking_history as h
                (user_id, show_id, booking_no, version, status, created_at)
         values ($1, $2, $3, $4, $5, $6)
             on conflict on constraint booking_history_pkey do update
            set version = excluded.version, status = excluded.status
          where h.version < excluded.version",
        [
            booking.user.uuid().into(),
            booking.id.show().uuid().into(),
            booking.id.local_i64().into(),
            booking.version.into(),
            booking.status.as_str().into(),
            booking.created_at.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Takes over a later state of a booking that the history has. `false` when it has none, or this
/// version or a later one.
///
/// # Errors
/// When the table cannot be written.
pub async fn history_advance<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    booking: BookingId,
    version: i64,
    status: BookingStatus,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            "update booking.booking_history
                set version = $4, status = $5
              where user_id = $1 and show_id = $2 and booking_no = $3 and version < $4",
            [
                user.uuid().into(),
                booking.show().uuid().into(),
                booking.local_i64().into(),
                version.into(),
                status.as_str().into(),
            ],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Up to `limit` bookings of a user, newest first, that come after `after`; only those in
/// `status`, if given.
///
/// # Errors
/// When the table cannot be read.
pub async fn history_page<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    status: Option<BookingStatus>,
    after: Option<HistoryEntry>,
    limit: u64,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, booking_no, created_at
               from booking.booking_history
              where user_id = $1
                and ($2::text is null or status = $2)
                and ($3::timestamptz is null
                     or (created_at, show_id, booking_no) < ($3, $4::uuid, $5::bigint))
              order by created_at desc, show_id desc, booking_no desc
              limit $6",
            [
                user.uuid().into(),
                status.map(|status| status.as_str().to_owned()).into(),
                after.map(|entry| entry.created_at).into(),
                after.map(|entry| entry.booking.show().uuid()).into(),
                after.map(|entry| entry.booking.local_i64()).into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let show = ShowId::from_uuid(row.try_get("", "show_id")?);
            let number: i64 = row.try_get("", "booking_no")?;
            Ok(HistoryEntry {
                booking: BookingId::from_db(show.uuid(), number),
                created_at: row.try_get("", "created_at")?,
            })
        })
        .collect()
}

/// How many bookings a user has; only those in `status`, if given.
///
/// # Errors
/// When the table cannot be read.
pub async fn history_count<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    status: Option<BookingStatus>,
) -> Result<i64, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select count(*) as count
               from booking.booking_history
              where user_id = $1 and ($2::text is null or status = $2)",
            [user.uuid().into(), status.map(|status| status.as_str().to_owned()).into()],
        ))
        .await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "count"))?)
}
