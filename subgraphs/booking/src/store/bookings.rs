//! `booking.bookings`.

use chrono::{DateTime, Utc};
use kernel::{BookingId, HoldId, ShowId, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{StoreError, decode, sql};
use crate::domain::booking::{Booking, BookingStatus};
use crate::domain::reference::Reference;
use crate::domain::show::ShowStatus;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select b.show_id, b.booking_no, b.user_id, b.reference, b.status, b.version, b.hold_no,
                    b.currency, b.subtotal_minor, b.fee_minor, b.tax_minor, b.total_minor,
                    b.expires_at, b.created_at, b.updated_at ",
            $rest
        )
    };
}

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    booking_no: i64,
    user_id: Uuid,
    reference: String,
    status: String,
    version: i64,
    hold_no: i64,
    currency: String,
    subtotal_minor: i64,
    fee_minor: i64,
    tax_minor: i64,
    total_minor: i64,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

fn booking(row: &QueryResult) -> Result<Booking, StoreError> {
    let row = Row::from_query_result(row, "")?;
    Ok(Booking {
        id: BookingId::from_db(row.show_id, row.booking_no),
        user: UserId::from_uuid(row.user_id),
        reference: Reference::parse(&row.reference)
            .ok_or_else(|| StoreError::corrupt("reference", &row.reference))?,
        status: status(&row.status)?,
        version: row.version,
        hold: HoldId::from_db(row.show_id, row.hold_no),
        subtotal: decode::money(row.subtotal_minor, &row.currency)?,
        fee: decode::money(row.fee_minor, &row.currency)?,
        tax: decode::money(row.tax_minor, &row.currency)?,
        total: decode::money(row.total_minor, &row.currency)?,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn status(stored: &str) -> Result<BookingStatus, StoreError> {
    BookingStatus::parse(stored).ok_or_else(|| StoreError::corrupt("booking status", stored))
}

/// One booking.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_get<C: ConnectionTrait>(conn: &C, id: BookingId) -> Result<Option<Booking>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!("from booking.bookings b where b.show_id = $1 and b.booking_no = $2"),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(booking).transpose()
}

/// Those of `ids` that exist, in no order.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list<C: ConnectionTrait>(
    conn: &C,
    ids: &[BookingId],
) -> Result<Vec<Booking>, StoreError> {
    let (shows, numbers) = columns(ids);
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
                 join booking.bookings b using (show_id, booking_no)"
            ),
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter().map(booking).collect()
}

/// Ids as two columns for `unnest`.
pub(crate) fn columns(ids: &[BookingId]) -> (Vec<Uuid>, Vec<i64>) {
    ids.iter().map(|id| (id.show().uuid(), id.local_i64())).unzip()
}

/// One booking, locked until the end of the transaction. Everything that happens to a booking
/// and its payments, refunds and tickets happens under this lock.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_lock<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
) -> Result<Option<Booking>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!("from booking.bookings b where b.show_id = $1 and b.booking_no = $2 for update"),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(booking).transpose()
}

/// The same, with whether the show takes place. Reading that here and not from a cache makes
/// sure that a payment and the cancellation of its show see each other: the one that comes second
/// finds what the first one did.
///
/// # Errors
/// When the tables cannot be read.
pub async fn booking_lock_with_show<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
) -> Result<Option<(Booking, ShowStatus)>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!(
                ", s.status as show_status
                 from booking.bookings b
                 join booking.shows s using (show_id)
                where b.show_id = $1 and b.booking_no = $2
                  for update of b"
            ),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.map(|row| {
        let status: String = row.try_get("", "show_status")?;
        let status =
            ShowStatus::parse(&status).ok_or_else(|| StoreError::corrupt("show status", &status))?;
        Ok((booking(&row)?, status))
    })
    .transpose()
}

/// Locks those of `ids` (all of one show) that are unpaid and overdue; those that another
/// transaction works on are left out.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_lock_overdue<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    ids: &[BookingId],
    now: DateTime<Utc>,
) -> Result<Vec<Booking>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.bookings b
                where b.show_id = $1 and b.booking_no = any($2)
                  and b.status = 'PENDING_PAYMENT' and b.expires_at <= $3
                order by b.booking_no
                  for update skip locked"
            ),
            [show.uuid().into(), columns(ids).1.into(), now.into()],
        ))
        .await?;
    rows.iter().map(booking).collect()
}

/// Up to `limit` unpaid bookings whose claim has lapsed, the oldest first.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list_overdue<C: ConnectionTrait>(
    conn: &C,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<BookingId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, booking_no
               from booking.bookings
              where status = 'PENDING_PAYMENT' and expires_at <= $1
              order by expires_at
              limit $2",
            [now.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(|row| Ok(BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?))).collect()
}

/// Locks up to `limit` bookings of a show that own seats.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_lock_owning<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    limit: u32,
) -> Result<Vec<Booking>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.bookings b
                where b.show_id = $1 and b.status in ('PENDING_PAYMENT', 'CONFIRMED')
                order by b.booking_no
                limit $2
                  for update"
            ),
            [show.uuid().into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(booking).collect()
}

/// A booking that an earlier checkout made.
#[derive(Debug)]
pub struct EarlierCheckout {
    /// The booking.
    pub booking: Booking,
    /// Was it made with the same idempotency key (or only from the same hold)?
    pub same_key: bool,
    /// What the key was used for then.
    pub request_hash: Vec<u8>,
}

/// Bookings that were made with this idempotency key of this user, or from this hold.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_find_earlier<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    idempotency_key: &str,
    hold: HoldId,
) -> Result<Vec<EarlierCheckout>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                ", b.request_hash, (b.user_id = $2 and b.idempotency_key = $3) as same_key
                 from booking.bookings b
                where b.show_id = $1
                  and ((b.user_id = $2 and b.idempotency_key = $3) or b.hold_no = $4)"
            ),
            [
                hold.show().uuid().into(),
                user.uuid().into(),
                idempotency_key.into(),
                hold.local_i64().into(),
            ],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(EarlierCheckout {
                booking: booking(row)?,
                same_key: row.try_get("", "same_key")?,
                request_hash: row.try_get("", "request_hash")?,
            })
        })
        .collect()
}

/// Changes the status of one locked booking without touching its seats.
///
/// # Errors
/// [`StoreError::Stale`] when it is not in the version that `booking` follows.
pub async fn booking_update_status<C: ConnectionTrait>(conn: &C, booking: &Booking) -> Result<(), StoreError> {
    let done = conn
        .execute_raw(sql(
            "update booking.bookings
                set status = $3, version = $4, updated_at = $5
              where show_id = $1 and booking_no = $2 and version = $4 - 1",
            [
                booking.id.show().uuid().into(),
                booking.id.local_i64().into(),
                booking.status.as_str().into(),
                booking.version.into(),
                booking.updated_at.into(),
            ],
        ))
        .await?;
    StoreError::expect_rows(done.rows_affected(), 1)
}

/// Remembers with which idempotency key the buyer cancelled. `false` when the key was used for
/// another booking of the show (the transaction is then lost and must be rolled back).
///
/// # Errors
/// When the table cannot be written.
pub async fn booking_set_cancel_key<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
    key: &str,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            "update booking.bookings set cancel_key = $3 where show_id = $1 and booking_no = $2",
            [id.show().uuid().into(), id.local_i64().into(), key.into()],
        ))
        .await;
    match done {
        Ok(_) => Ok(true),
        Err(error) if platform::pg::is_unique_violation(&error, "bookings_cancel_key") => Ok(false),
        Err(error) => Err(error.into()),
    }
}
