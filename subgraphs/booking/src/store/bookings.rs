//! `booking.bookings`.

use chrono::{DateTime, Utc};
use kernel::{BookingId, HoldId, ShowId, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values};
use super::{StoreError, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::{Booking, BookingStatus};
use crate::domain::reference::Reference;
use crate::domain::show::ShowStatus;

/// A query for whole bookings, `b`, that goes on as given.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select b.show_id, b.booking_no, b.user_id, b.reference, b.status, b.version, b.hold_no,
                    b.accepts_equivalent, b.currency, b.subtotal_minor, b.fee_minor, b.tax_minor,
                    b.total_minor, b.expires_at, b.created_at, b.updated_at, booking.now() as read_at ",
            $rest
        )
    };
}
pub(super) use select;

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    booking_no: i64,
    user_id: Uuid,
    reference: String,
    status: String,
    version: i64,
    hold_no: i64,
    accepts_equivalent: bool,
    currency: String,
    subtotal_minor: i64,
    fee_minor: i64,
    tax_minor: i64,
    total_minor: i64,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    read_at: DateTime<Utc>,
}

/// The booking in a row of [`select`].
pub(super) fn booking(row: &QueryResult) -> Result<Booking, StoreError> {
    let row = Row::from_query_result(row, "")?;
    Ok(Booking {
        id: BookingId::from_db(row.show_id, row.booking_no),
        user: UserId::from_uuid(row.user_id),
        reference: Reference::parse(&row.reference)
            .ok_or_else(|| StoreError::corrupt("reference", &row.reference))?,
        status: status(&row.status)?,
        version: row.version,
        hold: HoldId::from_db(row.show_id, row.hold_no),
        accepts_equivalent: row.accepts_equivalent,
        subtotal: decode::money(row.subtotal_minor, &row.currency)?,
        fee: decode::money(row.fee_minor, &row.currency)?,
        tax: decode::money(row.tax_minor, &row.currency)?,
        total: decode::money(row.total_minor, &row.currency)?,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        read_at: row.read_at,
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

/// The bookings with this reference: one, unless different shows drew the same. There is no index
/// for this, as only people at a terminal ask.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list_by_reference<C: ConnectionTrait>(
    conn: &C,
    reference: &Reference,
) -> Result<Vec<BookingId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, booking_no from booking.bookings where reference = $1 order by show_id limit 10",
            [reference.as_str().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok(BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?)))
        .collect()
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
        let status = ShowStatus::parse(&status).ok_or_else(|| StoreError::corrupt("show status", &status))?;
        Ok((booking(&row)?, status))
    })
    .transpose()
}

/// Locks up to `limit` bookings of a show that own seats: the first ones by number, or those that
/// follow `after`.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_lock_owning<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    after: Option<BookingId>,
    limit: u32,
) -> Result<Vec<Booking>, StoreError> {
    let after = after.map_or(-1, BookingId::local_i64);
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.bookings b
                where b.show_id = $1 and b.status in ('PENDING_PAYMENT', 'CONFIRMED')
                  and b.booking_no > $2
                order by b.booking_no
                limit $3
                  for update"
            ),
            [show.uuid().into(), after.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(booking).collect()
}

/// The beginning of a statement that gives a booking its next state: `changed`, with the state that it
/// `was` in, is empty when it is not in the version before. Takes the show, the number, and the new status,
/// version and time as `$1` to `$5`.
macro_rules! booking_changed {
    () => {
        "with changed as (
             update booking.bookings b
                set status = $3, version = $4, updated_at = $5
               from booking.bookings was
              where b.show_id = $1 and b.booking_no = $2 and b.version = $4 - 1
                and was.show_id = b.show_id and was.booking_no = b.booking_no
             returning b.show_id, b.booking_no, was.status as was, b.status
         )"
    };
}
pub(super) use booking_changed;

/// Changes the status of one locked booking without touching its seats, and writes its audit entry.
///
/// # Errors
/// [`StoreError::Stale`] when it is not in the version that `booking` follows.
pub async fn booking_update_status<C: ConnectionTrait>(
    conn: &C,
    booking: &Booking,
    cause: &Cause,
) -> Result<(), StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let done = conn
        .execute_raw(sql(
            concat!(
                booking_changed!(),
                " ",
                audit_columns!(),
                "select c.show_id, 'BOOKING', c.booking_no, c.booking_no, c.was, c.status,
                        array(select s.seat_no
                                from booking.booking_seats s
                               where s.show_id = c.show_id and s.booking_no = c.booking_no
                               order by s.seat_no),
                        $6, $7, $8, $9
                   from changed c"
            ),
            [
                booking.id.show().uuid().into(),
                booking.id.local_i64().into(),
                booking.status.as_str().into(),
                booking.version.into(),
                booking.updated_at.into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    StoreError::expect_rows(done.rows_affected(), 1)
}
