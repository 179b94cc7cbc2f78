//! `booking.refunds`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events::booking::RefundCause;
use kernel::{BookingId, PaymentId, RefundId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values};
use super::{StoreError, bookings, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::payment::{Refund, RefundStatus};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select r.show_id, r.refund_no, r.booking_no, r.payment_no, r.cause, r.status, r.currency,
                    r.amount_minor, r.provider_refund, r.created_at, p.provider_intent,
                    booking.now() as read_at ",
            $rest
        )
    };
}

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    refund_no: i64,
    booking_no: i64,
    payment_no: i64,
    cause: String,
    status: String,
    currency: String,
    amount_minor: i64,
    provider_refund: Option<String>,
    created_at: DateTime<Utc>,
    provider_intent: String,
    read_at: DateTime<Utc>,
}

fn refund(row: &QueryResult) -> Result<Refund, StoreError> {
    let row = Row::from_query_result(row, "")?;
    Ok(Refund {
        id: RefundId::from_db(row.show_id, row.refund_no),
        booking: BookingId::from_db(row.show_id, row.booking_no),
        payment: PaymentId::from_db(row.show_id, row.payment_no),
        intent: row.provider_intent,
        amount: decode::money(row.amount_minor, &row.currency)?,
        cause: parse_cause(&row.cause).ok_or_else(|| StoreError::corrupt("cause", &row.cause))?,
        status: RefundStatus::parse(&row.status)
            .ok_or_else(|| StoreError::corrupt("refund status", &row.status))?,
        provider_refund: row.provider_refund,
        created_at: row.created_at,
        read_at: row.read_at,
    })
}

fn parse_cause(stored: &str) -> Option<RefundCause> {
    use RefundCause::{Cancelled, LatePayment, ShowCancelled, UnexpectedPayment};
    [Cancelled, ShowCancelled, LatePayment, UnexpectedPayment]
        .into_iter()
        .find(|cause| cause_column(*cause) == stored)
}

fn cause_column(cause: RefundCause) -> &'static str {
    match cause {
        RefundCause::Cancelled => "CANCELLED",
        RefundCause::ShowCancelled => "SHOW_CANCELLED",
        RefundCause::LatePayment => "LATE_PAYMENT",
        RefundCause::UnexpectedPayment => "UNEXPECTED_PAYMENT",
    }
}

/// Inserts pending refunds of one show, with their audit entries, and tells which were inserted: a
/// payment that has a refund gets no other.
///
/// # Errors
/// When the table cannot be written.
pub async fn refund_insert<C: ConnectionTrait>(
    conn: &C,
    refunds: &[Refund],
    cause: &Cause,
) -> Result<BTreeSet<RefundId>, StoreError> {
    let Some(show) = refunds.first().map(|refund| refund.id.show().uuid()) else {
        return Ok(BTreeSet::new());
    };
    let [kind, actor, reason, trace] = values(cause);
    let numbers = |read: fn(&Refund) -> i64| refunds.iter().map(read).collect::<Vec<_>>();
    let texts = |read: fn(&Refund) -> &'static str| {
        refunds.iter().map(|refund| read(refund).to_owned()).collect::<Vec<_>>()
    };
    let rows = conn
        .query_all_raw(sql(
            concat!(
                "with owed as (
                     insert into booking.refunds
                            (show_id, refund_no, booking_no, payment_no, cause, status, currency,
                             amount_minor, created_at, requested_at, updated_at)
                     select $1, n.refund_no, n.booking_no, n.payment_no, n.cause, n.status, n.currency,
                            n.amount_minor, n.created_at, n.created_at, n.created_at
                       from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                                   $7::text[], $8::bigint[], $9::timestamptz[])
                            as n(refund_no, booking_no, payment_no, cause, status, currency,
                                 amount_minor, created_at)
                         on conflict on constraint refunds_once_per_payment do nothing
                     returning refund_no, booking_no, status
                 ), audited as (
                     ",
                audit_columns!(),
                "select $1, 'REFUND', refund_no, booking_no, null, status, '{}', $10, $11, $12, $13
                       from owed
                 )
                 select refund_no from owed"
            ),
            [
                show.into(),
                numbers(|refund| refund.id.local_i64()).into(),
                numbers(|refund| refund.booking.local_i64()).into(),
                numbers(|refund| refund.payment.local_i64()).into(),
                texts(|refund| cause_column(refund.cause)).into(),
                texts(|refund| refund.status.as_str()).into(),
                texts(|refund| refund.amount.currency().code()).into(),
                numbers(|refund| refund.amount.minor()).into(),
                refunds.iter().map(|refund| refund.created_at).collect::<Vec<_>>().into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    rows.iter().map(|row| Ok(RefundId::from_db(show, row.try_get("", "refund_no")?))).collect()
}

/// One refund.
///
/// # Errors
/// When the table cannot be read.
pub async fn refund_get<C: ConnectionTrait>(conn: &C, id: RefundId) -> Result<Option<Refund>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!(
                "from booking.refunds r join booking.payments p using (show_id, payment_no)
                where r.show_id = $1 and r.refund_no = $2"
            ),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(refund).transpose()
}

/// The refunds of these bookings, the latest of a booking last.
///
/// # Errors
/// When the table cannot be read.
pub async fn refund_list<C: ConnectionTrait>(conn: &C, ids: &[BookingId]) -> Result<Vec<Refund>, StoreError> {
    let (shows, numbers) = bookings::columns(ids);
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
                 join booking.refunds r using (show_id, booking_no)
                 join booking.payments p using (show_id, payment_no)
                order by r.show_id, r.booking_no, r.created_at, r.refund_no"
            ),
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter().map(refund).collect()
}

/// Remembers that the provider took the order.
///
/// # Errors
/// When the table cannot be written.
pub async fn refund_set_provider_id<C: ConnectionTrait>(
    conn: &C,
    id: RefundId,
    provider_refund: &str,
) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "update booking.refunds
            set provider_refund = $3, updated_at = booking.now()
          where show_id = $1 and refund_no = $2 and provider_refund is null",
        [id.show().uuid().into(), id.local_i64().into(), provider_refund.into()],
    ))
    .await?;
    Ok(())
}

/// Writes the end of a refund, whose booking is locked, with its audit entry if that is another
/// end than before.
///
/// # Errors
/// When the table cannot be written.
pub async fn refund_settle<C: ConnectionTrait>(
    conn: &C,
    id: RefundId,
    status: RefundStatus,
    provider_refund: Option<&str>,
    failure: Option<&str>,
    cause: &Cause,
) -> Result<(), StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let rows = conn
        .query_all_raw(sql(
            concat!(
                "with changed as (
                     update booking.refunds r
                        set status = $3, provider_refund = coalesce($4, r.provider_refund), failure = $5,
                            updated_at = booking.now()
                       from booking.refunds was
                      where r.show_id = $1 and r.refund_no = $2
                        and was.show_id = r.show_id and was.refund_no = r.refund_no
                     returning r.show_id, r.refund_no, r.booking_no, was.status as was, r.status
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'REFUND', refund_no, booking_no, was, status, '{}', $6, $7, $8, $9
                       from changed where was <> status
                 )
                 select refund_no from changed"
            ),
            [
                id.show().uuid().into(),
                id.local_i64().into(),
                status.as_str().into(),
                provider_refund.map(str::to_owned).into(),
                failure.map(str::to_owned).into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    StoreError::expect_rows(rows.len() as u64, 1)
}

/// Up to `limit` pending refunds that were last asked for before `asked_before`.
///
/// # Errors
/// When the table cannot be read.
pub async fn refund_list_unsettled<C: ConnectionTrait>(
    conn: &C,
    asked_before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<RefundId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, refund_no
               from booking.refunds
              where status = 'PENDING' and requested_at < $1
              order by requested_at
              limit $2",
            [asked_before.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok(RefundId::from_db(row.try_get("", "show_id")?, row.try_get("", "refund_no")?)))
        .collect()
}

/// Remembers that a pending refund is asked for again. `false` when it came to an end, or
/// another process was faster.
///
/// # Errors
/// When the table cannot be written.
pub async fn refund_mark_requested<C: ConnectionTrait>(
    conn: &C,
    id: RefundId,
    asked_before: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            "update booking.refunds
                set requested_at = booking.now()
              where show_id = $1 and refund_no = $2 and status = 'PENDING'
                and requested_at < $3",
            [id.show().uuid().into(), id.local_i64().into(), asked_before.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}
