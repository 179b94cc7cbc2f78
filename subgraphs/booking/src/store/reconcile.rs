//! `booking.payments` and `booking.refunds` as they are compared with the provider's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{BookingId, Money, PaymentId, RefundId, ShowId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values};
use super::{StoreError, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{PaymentStatus, RefundStatus};

/// What we have of an intent that names a booking of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRecord {
    /// The payment, whether we have written it down or not.
    pub payment: PaymentId,
    /// The booking.
    pub booking: BookingId,
    /// Where the booking stands.
    pub booking_status: BookingStatus,
    /// What we have written down of the payment.
    pub ours: Option<(PaymentStatus, Money)>,
    /// Was the provider seen to have the same money?
    pub is_reconciled: bool,
    /// When the booking or the payment last changed.
    pub changed_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct PaymentRow {
    show_id: Uuid,
    booking_no: i64,
    payment_no: i64,
    booking_status: String,
    status: Option<String>,
    currency: Option<String>,
    amount_minor: Option<i64>,
    is_reconciled: bool,
    changed_at: DateTime<Utc>,
}

/// What we have of these payments; those whose booking is unknown are left out.
///
/// # Errors
/// When the tables cannot be read.
pub async fn payment_record_list<C: ConnectionTrait>(
    conn: &C,
    wanted: &[(BookingId, PaymentId)],
) -> Result<Vec<PaymentRecord>, StoreError> {
    let shows: Vec<Uuid> = wanted.iter().map(|(booking, _)| booking.show().uuid()).collect();
    let bookings: Vec<i64> = wanted.iter().map(|(booking, _)| booking.local_i64()).collect();
    let payments: Vec<i64> = wanted.iter().map(|(_, payment)| payment.local_i64()).collect();
    let rows = conn
        .query_all_raw(sql(
            "select want.show_id, want.booking_no, want.payment_no, b.status as booking_status,
                    p.status, p.currency, p.amount_minor, p.reconciled_at is not null as is_reconciled,
                    greatest(b.updated_at, p.updated_at) as changed_at
               from unnest($1::uuid[], $2::bigint[], $3::bigint[])
                        as want(show_id, booking_no, payment_no)
               join booking.bookings b using (show_id, booking_no)
               left join booking.payments p
                 on p.show_id = want.show_id and p.payment_no = want.payment_no",
            [shows.into(), bookings.into(), payments.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let row = PaymentRow::from_query_result(row, "")?;
            let ours = match (row.status, row.currency, row.amount_minor) {
                (Some(status), Some(currency), Some(minor)) => {
                    let status = PaymentStatus::parse(&status)
                        .ok_or_else(|| StoreError::corrupt("payment status", &status))?;
                    Some((status, decode::money(minor, &currency)?))
                }
                _ => None,
            };
            Ok(PaymentRecord {
                payment: PaymentId::from_db(row.show_id, row.payment_no),
                booking: BookingId::from_db(row.show_id, row.booking_no),
                booking_status: BookingStatus::parse(&row.booking_status)
                    .ok_or_else(|| StoreError::corrupt("booking status", &row.booking_status))?,
                ours,
                is_reconciled: row.is_reconciled,
                changed_at: row.changed_at,
            })
        })
        .collect()
}

/// The statement that marks rows of one show (`$1`) with the numbers `$2`.
macro_rules! mark_reconciled {
    ($table:literal, $number:literal) => {
        concat!(
            "with seen as materialized (
                 select show_id, ",
            $number,
            " as number
                   from ",
            $table,
            "
                  where show_id = $1 and ",
            $number,
            " = any($2)
                    and status = 'SUCCEEDED' and reconciled_at is null
                  order by ",
            $number,
            "
                    for update
             )
             update ",
            $table,
            " t
                set reconciled_at = booking.now()
               from seen
              where t.show_id = seen.show_id and t.",
            $number,
            " = seen.number"
        )
    };
}

/// Remembers that the provider has the money of these payments. Each show is a statement of its own,
/// as no transaction touches two; its rows are locked in their order, as others lock them too.
///
/// # Errors
/// When the table cannot be written.
pub async fn payment_mark_reconciled<C: ConnectionTrait>(
    conn: &C,
    payments: &[PaymentId],
) -> Result<(), StoreError> {
    for (show, numbers) in by_show(payments.iter().map(|id| (id.show(), id.local_i64()))) {
        conn.execute_raw(sql(
            mark_reconciled!("booking.payments", "payment_no"),
            [show.uuid().into(), numbers.into()],
        ))
        .await?;
    }
    Ok(())
}

/// The numbers of each show.
fn by_show(ids: impl Iterator<Item = (ShowId, i64)>) -> BTreeMap<ShowId, Vec<i64>> {
    let mut shows: BTreeMap<ShowId, Vec<i64>> = BTreeMap::new();
    for (show, number) in ids {
        shows.entry(show).or_default().push(number);
    }
    shows
}

/// Takes back that a payment was captured, so that the next message about it is taken as the first,
/// and writes the audit entry. `false` when it was not captured. Under the lock of its booking.
///
/// # Errors
/// When the table cannot be written.
pub async fn payment_reopen<C: ConnectionTrait>(
    conn: &C,
    id: PaymentId,
    cause: &Cause,
) -> Result<bool, StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let done = conn
        .execute_raw(sql(
            concat!(
                "with changed as (
                     update booking.payments
                        set status = 'PROCESSING', reconciled_at = null, updated_at = booking.now()
                      where show_id = $1 and payment_no = $2 and status = 'SUCCEEDED'
                     returning show_id, payment_no, booking_no, status
                 ) ",
                audit_columns!(),
                "select show_id, 'PAYMENT', payment_no, booking_no, 'SUCCEEDED', status, '{}'::smallint[],
                        $3, $4, $5, $6
                   from changed"
            ),
            [id.show().uuid().into(), id.local_i64().into(), kind, actor, reason, trace],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// A captured payment that the provider was not seen to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnseenPayment {
    /// Its booking.
    pub booking: BookingId,
    /// The provider's id of its intent.
    pub intent: String,
    /// How much we think was captured.
    pub amount: Money,
}

/// Up to `limit` captured payments that were made since `from`, last changed before `before`, and
/// that the provider was not seen to have, the oldest first. Those that are a finding already are
/// left out.
///
/// # Errors
/// When the tables cannot be read.
pub async fn payment_list_unseen<C: ConnectionTrait>(
    conn: &C,
    from: DateTime<Utc>,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<UnseenPayment>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select p.show_id, p.booking_no, p.provider_intent, p.currency, p.amount_minor
               from booking.payments p
              where p.status = 'SUCCEEDED' and p.reconciled_at is null
                and p.created_at >= $1 and p.updated_at < $2
                and not exists (select 1 from booking.findings f
                                 where f.show_id = p.show_id and f.subject = p.provider_intent
                                   and f.resolution is distinct from 'healed'
                                   and f.resolution is distinct from 'repaired')
              order by p.created_at
              limit $3",
            [from.into(), before.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let currency: String = row.try_get("", "currency")?;
            Ok(UnseenPayment {
                booking: BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?),
                intent: row.try_get("", "provider_intent")?,
                amount: decode::money(row.try_get("", "amount_minor")?, &currency)?,
            })
        })
        .collect()
}

/// What we have of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRecord {
    /// Which one.
    pub id: RefundId,
    /// Its booking.
    pub booking: BookingId,
    /// Where it stands.
    pub status: RefundStatus,
    /// How much goes back.
    pub amount: Money,
    /// The provider's id of it, as far as we know.
    pub provider_refund: Option<String>,
    /// Was the provider seen to have given the same back?
    pub is_reconciled: bool,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct RefundRow {
    show_id: Uuid,
    refund_no: i64,
    booking_no: i64,
    status: String,
    currency: String,
    amount_minor: i64,
    provider_refund: Option<String>,
    is_reconciled: bool,
    updated_at: DateTime<Utc>,
}

fn refund_record(row: &sea_orm::QueryResult) -> Result<RefundRecord, StoreError> {
    let row = RefundRow::from_query_result(row, "")?;
    Ok(RefundRecord {
        id: RefundId::from_db(row.show_id, row.refund_no),
        booking: BookingId::from_db(row.show_id, row.booking_no),
        status: RefundStatus::parse(&row.status)
            .ok_or_else(|| StoreError::corrupt("refund status", &row.status))?,
        amount: decode::money(row.amount_minor, &row.currency)?,
        provider_refund: row.provider_refund,
        is_reconciled: row.is_reconciled,
        changed_at: row.updated_at,
    })
}

/// What we have of these refunds; those that we did not order are left out.
///
/// # Errors
/// When the table cannot be read.
pub async fn refund_record_list<C: ConnectionTrait>(
    conn: &C,
    refunds: &[RefundId],
) -> Result<Vec<RefundRecord>, StoreError> {
    let (shows, numbers) = refund_columns(refunds);
    let rows = conn
        .query_all_raw(sql(
            "select r.show_id, r.refund_no, r.booking_no, r.status, r.currency, r.amount_minor,
                    r.provider_refund, r.reconciled_at is not null as is_reconciled, r.updated_at
               from unnest($1::uuid[], $2::bigint[]) as want(show_id, refund_no)
               join booking.refunds r using (show_id, refund_no)",
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter().map(refund_record).collect()
}

/// Remembers that the provider gave back what these refunds say; as [`payment_mark_reconciled`].
///
/// # Errors
/// When the table cannot be written.
pub async fn refund_mark_reconciled<C: ConnectionTrait>(
    conn: &C,
    refunds: &[RefundId],
) -> Result<(), StoreError> {
    for (show, numbers) in by_show(refunds.iter().map(|id| (id.show(), id.local_i64()))) {
        conn.execute_raw(sql(
            mark_reconciled!("booking.refunds", "refund_no"),
            [show.uuid().into(), numbers.into()],
        ))
        .await?;
    }
    Ok(())
}

/// Up to `limit` refunds that are done, last changed in `[from, before)`, and that the provider was
/// not seen to have made, the oldest first. Those that are a finding already are left out.
///
/// # Errors
/// When the tables cannot be read.
pub async fn refund_list_unseen<C: ConnectionTrait>(
    conn: &C,
    from: DateTime<Utc>,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<RefundRecord>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select r.show_id, r.refund_no, r.booking_no, r.status, r.currency, r.amount_minor,
                    r.provider_refund, false as is_reconciled, r.updated_at
               from booking.refunds r
              where r.status = 'SUCCEEDED' and r.reconciled_at is null
                and r.updated_at >= $1 and r.updated_at < $2
                and not exists (select 1 from booking.findings f
                                 where f.show_id = r.show_id and f.subject = r.provider_refund
                                   and f.resolution is distinct from 'healed'
                                   and f.resolution is distinct from 'repaired')
              order by r.updated_at
              limit $3",
            [from.into(), before.into(), i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(refund_record).collect()
}

fn refund_columns(refunds: &[RefundId]) -> (Vec<Uuid>, Vec<i64>) {
    refunds.iter().map(|id| (id.show().uuid(), id.local_i64())).unzip()
}
