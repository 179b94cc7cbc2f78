//! Claims of unpaid bookings that have lapsed.

use std::time::Duration;

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
