//! Claims of unpaid bookings that have lapsed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::{BookingId, ShowId};
use sea_orm::ConnectionTrait;

use super::bookings::{booking, columns, select};
use super::{StoreError, sql};
use crate::domain::booking::Booking;

/// Locks those of `ids` (all of one show) that are unpaid and overdue; those that another
/// transaction works on are left out.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_lock_overdue<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    ids: &[BookingId],
) -> Result<Vec<Booking>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.bookings b
                where b.show_id = $1 and b.booking_no = any($2)
                  and b.status = 'PENDING_PAYMENT' and b.expires_at <= booking.now()
                order by b.booking_no
                  for update skip locked"
            ),
            [show.uuid().into(), columns(ids).1.into()],
        ))
        .await?;
    rows.iter().map(booking).collect()
}

/// Up to `limit` unpaid bookings whose claim lapsed at least so long ago, the oldest first.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list_overdue<C: ConnectionTrait>(
    conn: &C,
    ago: Duration,
    limit: u32,
) -> Result<Vec<BookingId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, booking_no
               from booking.bookings
              where status = 'PENDING_PAYMENT' and expires_at <= booking.now() - $1::double precision * interval '1 second'
              order by expires_at
              limit $2",
            [ago.as_secs_f64().into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok(BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?)))
        .collect()
}

/// Writes locked unpaid bookings of one show whose claims go on: see [`Booking::extend`]. That is no change
/// of a booking's state, so it has no audit entry.
///
/// # Errors
/// [`StoreError::Stale`] when one is not in the version that it follows.
pub async fn booking_extend<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    bookings: &[Booking],
) -> Result<(), StoreError> {
    let versions: Vec<i64> = bookings.iter().map(|b| b.version).collect();
    let (_, numbers) = columns(&bookings.iter().map(|b| b.id).collect::<Vec<_>>());
    let ends: Vec<DateTime<Utc>> = bookings.iter().map(|b| b.expires_at).collect();
    let done = conn
        .execute_raw(sql(
            "update booking.bookings b
                set expires_at = n.expires_at, version = n.version
               from unnest($2::bigint[], $3::bigint[], $4::timestamptz[]) as n(booking_no, version, expires_at)
              where b.show_id = $1 and b.booking_no = n.booking_no and b.version = n.version - 1
                and b.status = 'PENDING_PAYMENT'",
            [show.uuid().into(), numbers.into(), versions.into(), ends.into()],
        ))
        .await?;
    StoreError::expect_rows(done.rows_affected(), bookings.len() as u64)
}
