//! Bookings with all that belongs to them, read at one moment, and which of them to look at.

use chrono::{DateTime, Utc};
use kernel::{BookingId, PaymentId, RefundId, ShowId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{StoreError, bookings, decode, sql};
use crate::domain::booking::BookingStatus;
use crate::domain::reconcile::Standing;

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    booking_no: i64,
    status: String,
    currency: String,
    total_minor: i64,
    expires_at: DateTime<Utc>,
    seats: i64,
    owned: i64,
    sold: i64,
    tickets: i64,
    kept: Vec<i64>,
    failed: Vec<i64>,
    unasked: Vec<i64>,
}

/// How these bookings stand; unknown ones are left out. A refund that the provider has not taken
/// and that was last asked for before `asked_before` counts as not asked for.
///
/// # Errors
/// When the tables cannot be read.
pub async fn standing_list<C: ConnectionTrait>(
    conn: &C,
    ids: &[BookingId],
    asked_before: DateTime<Utc>,
) -> Result<Vec<Standing>, StoreError> {
    let (shows, numbers) = bookings::columns(ids);
    let rows = conn
        .query_all_raw(sql(
            "select b.show_id, b.booking_no, b.status, b.currency, b.total_minor, b.expires_at,
                    s.seats, s.owned, s.sold, t.tickets, p.kept, r.failed, r.unasked
               from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
               join booking.bookings b using (show_id, booking_no)
              cross join lateral (
                    select count(*) as seats, count(a.seat_no) as owned,
                           count(*) filter (where a.sold) as sold
                      from booking.booking_seats s
                      left join booking.seat_allocations a
                        on a.show_id = s.show_id and a.seat_no = s.seat_no
                       and a.booking_no = s.booking_no
                     where s.show_id = b.show_id and s.booking_no = b.booking_no) s
              cross join lateral (
                    select count(*) as tickets
                      from booking.tickets t
                     where t.show_id = b.show_id and t.booking_no = b.booking_no
                       and t.voided_at is null) t
              cross join lateral (
                    select coalesce(array_agg(p.payment_no order by p.payment_no), '{}') as kept
                      from booking.payments p
                     where p.show_id = b.show_id and p.booking_no = b.booking_no
                       and p.status = 'SUCCEEDED' and p.amount_minor > 0
                       and not exists (select 1 from booking.refunds r
                                        where r.show_id = p.show_id and r.payment_no = p.payment_no)) p
              cross join lateral (
                    select coalesce(array_agg(r.refund_no order by r.refund_no)
                                        filter (where r.status = 'FAILED'), '{}') as failed,
                           coalesce(array_agg(r.refund_no order by r.refund_no)
                                        filter (where r.status = 'PENDING' and r.provider_refund is null
                                                  and r.requested_at < $3), '{}') as unasked
                      from booking.refunds r
                     where r.show_id = b.show_id and r.booking_no = b.booking_no) r",
            [shows.into(), numbers.into(), asked_before.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let row = Row::from_query_result(row, "")?;
            let count = |number: i64| u32::try_from(number).map_err(|_| StoreError::corrupt("count", number));
            let show = row.show_id;
            Ok(Standing {
                id: BookingId::from_db(show, row.booking_no),
                status: BookingStatus::parse(&row.status)
                    .ok_or_else(|| StoreError::corrupt("booking status", &row.status))?,
                total: decode::money(row.total_minor, &row.currency)?,
                expires_at: row.expires_at,
                seats: count(row.seats)?,
                owned: count(row.owned)?,
                sold: count(row.sold)?,
                tickets: count(row.tickets)?,
                kept: row.kept.into_iter().map(|no| PaymentId::from_db(show, no)).collect(),
                failed: row.failed.into_iter().map(|no| RefundId::from_db(show, no)).collect(),
                unasked: row.unasked.into_iter().map(|no| RefundId::from_db(show, no)).collect(),
            })
        })
        .collect()
}

/// Up to `limit` bookings that last changed after `after` and before `until`, in the order of
/// their changes.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list_changed<C: ConnectionTrait>(
    conn: &C,
    after: (DateTime<Utc>, BookingId),
    until: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<(DateTime<Utc>, BookingId)>, StoreError> {
    let (time, booking) = after;
    let rows = conn
        .query_all_raw(sql(
            "select updated_at, show_id, booking_no
               from booking.bookings
              where updated_at >= $1 and updated_at < $2
                and (updated_at, show_id, booking_no) > ($1, $3, $4)
              order by updated_at, show_id, booking_no
              limit $5",
            [
                time.into(),
                until.into(),
                booking.show().uuid().into(),
                booking.local_i64().into(),
                i64::from(limit).into(),
            ],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let booking = BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?);
            Ok((row.try_get("", "updated_at")?, booking))
        })
        .collect()
}

/// Up to `limit` bookings with a refund that the provider has not taken and that was last asked for
/// before `asked_before`, the oldest first.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_list_unrefunded<C: ConnectionTrait>(
    conn: &C,
    asked_before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<BookingId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, booking_no
               from booking.refunds
              where status = 'PENDING' and requested_at < $1 and provider_refund is null
              order by requested_at
              limit $2",
            [asked_before.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok(BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?)))
        .collect()
}

/// Up to `limit` refunds that failed after `after` and before `until`, in the order in which they
/// did, with their bookings: a booking itself does not change with its refund.
///
/// # Errors
/// When the table cannot be read.
pub async fn refund_list_failed<C: ConnectionTrait>(
    conn: &C,
    after: (DateTime<Utc>, RefundId),
    until: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<(DateTime<Utc>, RefundId, BookingId)>, StoreError> {
    let (time, refund) = after;
    let rows = conn
        .query_all_raw(sql(
            "select updated_at, show_id, refund_no, booking_no
               from booking.refunds
              where status = 'FAILED' and updated_at >= $1 and updated_at < $2
                and (updated_at, show_id, refund_no) > ($1, $3, $4)
              order by updated_at, show_id, refund_no
              limit $5",
            [
                time.into(),
                until.into(),
                refund.show().uuid().into(),
                refund.local_i64().into(),
                i64::from(limit).into(),
            ],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let show: Uuid = row.try_get("", "show_id")?;
            let refund = RefundId::from_db(show, row.try_get("", "refund_no")?);
            let booking = BookingId::from_db(show, row.try_get("", "booking_no")?);
            Ok((row.try_get("", "updated_at")?, refund, booking))
        })
        .collect()
}

/// Up to `limit` shows after `after`, in the order of their ids, that ended after `ended_after`
/// (or have not ended).
///
/// # Errors
/// When the table cannot be read.
pub async fn show_list_current<C: ConnectionTrait>(
    conn: &C,
    after: Option<ShowId>,
    ended_after: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<ShowId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id
               from booking.shows
              where ($1::uuid is null or show_id > $1) and ends_at > $2
              order by show_id
              limit $3",
            [after.map(|show| show.uuid()).into(), ended_after.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(|row| Ok(ShowId::from_uuid(row.try_get("", "show_id")?))).collect()
}

/// When each of these seats of a show last changed hands, or a booking of it did anything.
///
/// # Errors
/// When the tables cannot be read.
pub async fn seat_last_changes<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    seats: &[u16],
) -> Result<Vec<(u16, DateTime<Utc>)>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select s.seat_no, max(b.updated_at) as changed_at
               from booking.booking_seats s
               join booking.bookings b using (show_id, booking_no)
              where s.show_id = $1 and s.seat_no = any($2)
              group by s.seat_no",
            [show.uuid().into(), decode::seat_columns(seats)?.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok((decode::seat_no(row.try_get("", "seat_no")?)?, row.try_get("", "changed_at")?)))
        .collect()
}

/// How many events have been waiting to be published since before `since`; at most `limit` are
/// counted.
///
/// # Errors
/// When the table cannot be read.
pub async fn outbox_count_older<C: ConnectionTrait>(
    conn: &C,
    since: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select count(*) as events
               from (select 1 from booking.outbox where recorded_at < $1 limit $2) as waiting",
            [since.into(), i64::from(limit).into()],
        ))
        .await?;
    let events: i64 = row.map_or(Ok(0), |row| row.try_get("", "events"))?;
    Ok(events.unsigned_abs())
}
