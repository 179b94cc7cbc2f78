//! `booking.payments`.

use kernel::{BookingId, PaymentId, ShowId};
use platform::telemetry::current_trace;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values as cause_values};
use super::{StoreError, bookings, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{Attempt, Payment, PaymentStatus};

/// A version of the record of a payment: any write makes another one. For telling whether somebody wrote to
/// it while the provider was asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(i64);

impl Revision {
    /// No transaction has this number.
    const NONE: i64 = 0;
}

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    payment_no: i64,
    booking_no: i64,
    provider: String,
    provider_intent: String,
    client_secret: Option<String>,
    status: String,
    currency: String,
    amount_minor: i64,
}

fn payment(row: &QueryResult) -> Result<Payment, StoreError> {
    let row = Row::from_query_result(row, "")?;
    Ok(Payment {
        id: PaymentId::from_db(row.show_id, row.payment_no),
        booking: BookingId::from_db(row.show_id, row.booking_no),
        provider: row.provider,
        intent: row.provider_intent,
        client_secret: row.client_secret,
        status: PaymentStatus::parse(&row.status)
            .ok_or_else(|| StoreError::corrupt("payment status", &row.status))?,
        amount: decode::money(row.amount_minor, &row.currency)?,
    })
}

/// The payments of these bookings, the latest of a booking last.
///
/// # Errors
/// When the table cannot be read.
pub async fn payment_list<C: ConnectionTrait>(
    conn: &C,
    ids: &[BookingId],
) -> Result<Vec<Payment>, StoreError> {
    let payments = payment_list_revised(conn, ids).await?;
    Ok(payments.into_iter().map(|(payment, _)| payment).collect())
}

/// The same, with the versions in which they were read.
///
/// # Errors
/// When the table cannot be read.
pub async fn payment_list_revised<C: ConnectionTrait>(
    conn: &C,
    ids: &[BookingId],
) -> Result<Vec<(Payment, Revision)>, StoreError> {
    let (shows, numbers) = bookings::columns(ids);
    let rows = conn
        .query_all_raw(sql(
            "select p.show_id, p.payment_no, p.booking_no, p.provider, p.provider_intent,
                    p.client_secret, p.status, p.currency, p.amount_minor, p.xmin::text::bigint as revision
               from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
               join booking.payments p using (show_id, booking_no)
              order by p.show_id, p.booking_no, p.created_at, p.payment_no",
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter().map(|row| Ok((payment(row)?, Revision(row.try_get("", "revision")?)))).collect()
}

/// Records an intent that was created at the provider, and tells where its booking stands at that
/// moment, and whether its claim has lapsed: whoever ends the booking later finds the payment. When a webhook told of the intent
/// first, only the client secret is filled in. A payment that is new gets its audit entry.
///
/// # Errors
/// When the table cannot be written, or the booking does not exist.
pub async fn payment_record_intent<C: ConnectionTrait>(
    conn: &C,
    payment: &Payment,
    cause: &Cause,
) -> Result<(BookingStatus, bool), StoreError> {
    // The booking is locked before the payment is written, in the order in which all others do it.
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with paid_for as materialized (
                 select status, expires_at <= booking.now() as has_lapsed
                   from booking.bookings where show_id = $1 and booking_no = $3 for share
             ), recorded as (
                 insert into booking.payments as p
                        (show_id, payment_no, booking_no, provider, provider_intent, client_secret,
                         status, currency, amount_minor, created_at, updated_at, trace)
                 select $1, $2, $3, $4, $5, $6, $7, $8, $9, booking.now(), booking.now(), $14 from paid_for
                     on conflict on constraint payments_pkey do update
                    set client_secret = coalesce(p.client_secret, excluded.client_secret),
                        trace = coalesce(p.trace, excluded.trace)
                 -- An old row has been locked by somebody: by this very statement, at the latest.
                 returning p.status, p.xmax = 0 as is_new
             ), audited as (
                 ",
                audit_columns!(),
                "select $1, 'PAYMENT', $2, $3, null, status, '{}', $10, $11, $12, $13
                   from recorded where is_new
             )
             select status, has_lapsed from paid_for"
            ),
            values(payment, cause).into_iter().chain([current_trace().into()]),
        ))
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt("booking of payment", payment.id))?;
    let status: String = row.try_get("", "status")?;
    let status =
        BookingStatus::parse(&status).ok_or_else(|| StoreError::corrupt("booking status", &status))?;
    Ok((status, row.try_get("", "has_lapsed")?))
}

/// The trace of the checkout that made a payment, as a `traceparent`.
///
/// # Errors
/// When the table cannot be read.
pub async fn payment_trace<C: ConnectionTrait>(
    conn: &C,
    id: PaymentId,
) -> Result<Option<String>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select trace from booking.payments where show_id = $1 and payment_no = $2",
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    Ok(row.map(|row| row.try_get("", "trace")).transpose()?.flatten())
}

/// Records that the provider captured a payment, whose booking is locked, with an audit entry.
/// `true` the first time.
///
/// # Errors
/// When the table cannot be written.
pub async fn payment_record_capture<C: ConnectionTrait>(
    conn: &C,
    payment: &Payment,
    cause: &Cause,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            concat!(
                "with was as (
                     select status from booking.payments where show_id = $1 and payment_no = $2
                 ), captured as (
                     insert into booking.payments as p
                            (show_id, payment_no, booking_no, provider, provider_intent, client_secret,
                             status, currency, amount_minor, created_at, updated_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, booking.now(), booking.now())
                         on conflict on constraint payments_pkey do update
                        set status = excluded.status, failure = null, currency = excluded.currency,
                            amount_minor = excluded.amount_minor, updated_at = excluded.updated_at
                      where p.status <> excluded.status
                     returning p.status
                 ) ",
                audit_columns!(),
                "select $1, 'PAYMENT', $2, $3, (select status from was), status, '{}', $10, $11, $12, $13
                   from captured"
            ),
            values(payment, cause),
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Records what is said of an attempt at payments of a show, with an audit entry where that is new; their
/// bookings are locked. A payment that was captured or called off stays what it is.
///
/// What is said may be late: that an attempt failed says nothing about one that is being processed, nor the
/// other way round, unless the provider was asked which is the later one. So these are left as they are and
/// given back, with their versions, unless they are still in the version that comes with them: in which they
/// were read before the provider was asked.
///
/// # Errors
/// When the table cannot be written.
pub async fn payment_record_attempt<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    payments: &[(PaymentId, Option<Revision>)],
    attempt: &Attempt,
    cause: &Cause,
) -> Result<Vec<(PaymentId, Revision)>, StoreError> {
    let [kind, actor, reason, trace] = cause_values(cause);
    let (numbers, revisions): (Vec<i64>, Vec<i64>) = payments
        .iter()
        .map(|(id, seen)| (id.local_i64(), seen.map_or(Revision::NONE, |Revision(number)| number)))
        .unzip();
    let rows = conn
        .query_all_raw(sql(
            concat!(
                "with was as (
                     select p.show_id, p.payment_no, p.status, p.xmin::text::bigint as revision,
                            p.status in ('REQUIRES_PAYMENT', $4)
                                or p.xmin::text::bigint = said.revision as is_clear
                       from unnest($2::bigint[], $3::bigint[]) as said(payment_no, revision)
                       join booking.payments p on p.show_id = $1 and p.payment_no = said.payment_no
                      where p.status not in ('SUCCEEDED', 'CANCELLED')
                 ), changed as (
                     -- Also those that stand there already: to whoever asks meanwhile it is a new version.
                     update booking.payments p
                        set status = $4, failure = $5,
                            updated_at = case was.status when $4 then p.updated_at else booking.now() end
                       from was
                      where p.show_id = was.show_id and p.payment_no = was.payment_no and was.is_clear
                     returning p.show_id, p.payment_no, p.booking_no, was.status as was, p.status
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'PAYMENT', payment_no, booking_no, was, status, '{}'::smallint[],
                        $6, $7, $8, $9
                   from changed where was <> status
                 )
                 select payment_no, revision from was where not is_clear"
            ),
            [
                show.uuid().into(),
                numbers.into(),
                revisions.into(),
                attempt.status().as_str().into(),
                attempt.failure().map(str::to_owned).into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    let unclear = |row: &QueryResult| {
        let id = PaymentId::from_db(show.uuid(), row.try_get("", "payment_no")?);
        Ok((id, Revision(row.try_get("", "revision")?)))
    };
    rows.iter().map(unclear).collect()
}

/// Records that intents were called off, of one show, with an audit entry unless that was known; the bookings
/// are locked. A captured payment stays captured: then this message came late.
///
/// # Errors
/// When the table cannot be written.
pub async fn payment_record_cancelled<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    ids: &[PaymentId],
    failure: &str,
    cause: &Cause,
) -> Result<(), StoreError> {
    let [kind, actor, reason, trace] = cause_values(cause);
    let numbers: Vec<i64> = ids.iter().map(|id| id.local_i64()).collect();
    conn.execute_raw(sql(
        concat!(
            "with changed as (
                 update booking.payments p
                    set status = 'CANCELLED', failure = $3, updated_at = booking.now()
                   from booking.payments was
                  where p.show_id = $1 and p.payment_no = any($2)
                    and p.status not in ('SUCCEEDED', 'CANCELLED')
                    and was.show_id = p.show_id and was.payment_no = p.payment_no
                 returning p.show_id, p.payment_no, p.booking_no, was.status as was, p.status
             ) ",
            audit_columns!(),
            "select show_id, 'PAYMENT', payment_no, booking_no, was, status, '{}', $4, $5, $6, $7
               from changed"
        ),
        [show.uuid().into(), numbers.into(), failure.into(), kind, actor, reason, trace],
    ))
    .await?;
    Ok(())
}

fn values(payment: &Payment, cause: &Cause) -> [sea_orm::Value; 13] {
    let [kind, actor, reason, trace] = cause_values(cause);
    [
        payment.id.show().uuid().into(),
        payment.id.local_i64().into(),
        payment.booking.local_i64().into(),
        payment.provider.as_str().into(),
        payment.intent.as_str().into(),
        payment.client_secret.clone().into(),
        payment.status.as_str().into(),
        payment.amount.currency().code().into(),
        payment.amount.minor().into(),
        kind,
        actor,
        reason,
        trace,
    ]
}
