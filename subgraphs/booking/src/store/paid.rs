//! Payments that come in time, as nearly all do: what has to be known to decide about them, and the one
//! statement that sells the seats of several bookings.
//!
//! Nothing is locked between the two. For each booking the statement does everything, in a transaction of
//! its own, if all that was decided upon still holds when it has locked it, and else nothing. It waits for
//! nobody's lock: what somebody has locked is left out.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::{BookingId, EventId, PaymentId};
use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::audit::audit_columns;
use super::bookings::{booking, select};
use super::{StoreError, decode, sql};
use crate::domain::audit::{Cause, trace_id};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::show::ShowStatus;
use crate::domain::ticket::Ticket;

/// As many bookings does one statement sell.
pub const SALES_AT_ONCE: usize = 16;

/// A booking that somebody has paid for, as it stands before that is taken note of.
#[derive(Debug)]
pub struct Payable {
    /// The booking.
    pub booking: Booking,
    /// Whether its show takes place.
    pub show: ShowStatus,
    /// Its seats, ascending.
    pub seats: Vec<BookedSeat>,
    /// Where the payment stands, when it is known.
    pub payment: Option<PaymentStatus>,
}

/// Reads bookings with all that decides what becomes of a payment for each: those that exist, in no order.
/// Nothing is locked.
///
/// # Errors
/// When the tables cannot be read.
pub async fn payable_list<C: ConnectionTrait>(
    conn: &C,
    payments: impl IntoIterator<Item = (BookingId, PaymentId)>,
) -> Result<Vec<Payable>, StoreError> {
    let (shows, (bookings, payments)): (Vec<Uuid>, (Vec<i64>, Vec<i64>)) = payments
        .into_iter()
        .map(|(booking, payment)| (booking.show().uuid(), (booking.local_i64(), payment.local_i64())))
        .unzip();
    let rows = conn
        .query_all_raw(sql(
            select!(
                ", s.status as show_status, p.status as payment_status,
                   l.seat_no, l.label, l.kind, l.price_minor, l.fee_minor as seat_fee_minor,
                   l.tax_minor as seat_tax_minor
                 from unnest($1::uuid[], $2::bigint[], $3::bigint[])
                      as paid(show_id, booking_no, payment_no)
                 join booking.bookings b on b.show_id = paid.show_id and b.booking_no = paid.booking_no
                 join booking.shows s on s.show_id = b.show_id
                 join booking.booking_seats l on l.show_id = b.show_id and l.booking_no = b.booking_no
                 left join booking.payments p on p.show_id = b.show_id and p.payment_no = paid.payment_no
                order by b.show_id, b.booking_no, l.seat_no"
            ),
            [shows.into(), bookings.into(), payments.into()],
        ))
        .await?;
    let id = |row: &QueryResult| -> Result<(Uuid, i64), sea_orm::DbErr> {
        Ok((row.try_get("", "show_id")?, row.try_get("", "booking_no")?))
    };
    rows.chunk_by(|a, b| id(a) == id(b)).map(payable).collect()
}

/// What is in the rows of one booking.
fn payable(rows: &[QueryResult]) -> Result<Payable, StoreError> {
    let first = rows.first().ok_or_else(|| StoreError::corrupt("booking", "no rows"))?;
    let show: String = first.try_get("", "show_status")?;
    let payment: Option<String> = first.try_get("", "payment_status")?;
    let booking = booking(first)?;
    let currency = booking.total.currency().code();
    let seats = rows
        .iter()
        .map(|row| {
            let kind: String = row.try_get("", "kind")?;
            Ok(BookedSeat {
                seat_no: decode::seat_no(row.try_get("", "seat_no")?)?,
                label: row.try_get("", "label")?,
                kind: decode::seat_kind(&kind)?,
                price: decode::money(row.try_get("", "price_minor")?, currency)?,
                fee: decode::money(row.try_get("", "seat_fee_minor")?, currency)?,
                tax: decode::money(row.try_get("", "seat_tax_minor")?, currency)?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Payable {
        show: ShowStatus::parse(&show).ok_or_else(|| StoreError::corrupt("show status", &show))?,
        payment: payment
            .map(|status| {
                PaymentStatus::parse(&status).ok_or_else(|| StoreError::corrupt("payment status", &status))
            })
            .transpose()?,
        booking,
        seats,
    })
}

/// Seats that are sold for a payment, and what was known when that was decided.
#[derive(Debug)]
pub struct Sale {
    /// The booking, pending, as it was.
    pub before: Booking,
    /// Where the payment stood.
    pub payment_was: Option<PaymentStatus>,
    /// The payment, captured.
    pub payment: Payment,
    /// A ticket for each seat, ascending.
    pub tickets: Vec<Ticket>,
    /// The message that tells of the payment.
    pub message: EventId,
    /// `booking.confirmed`, with the trace in which that message came.
    pub event: Envelope,
    /// Who paid.
    pub cause: Cause,
}

/// A [`Sale`] as the statement reads it.
#[derive(Serialize)]
struct Row<'a> {
    show_id: Uuid,
    booking_no: i64,
    version: i64,
    seats: Vec<i16>,
    ticket_numbers: Vec<i64>,
    codes: Vec<&'a str>,
    payment_no: i64,
    payment_was: Option<&'static str>,
    provider: &'a str,
    intent: &'a str,
    currency: &'a str,
    amount: i64,
    message: Uuid,
    actor_kind: &'static str,
    actor: Cow<'a, str>,
    reason: &'static str,
    trace_id: Option<&'a str>,
    event_id: Uuid,
    event_name: &'a str,
    event_version: u16,
    event_time: DateTime<Utc>,
    event_trace: Option<&'a str>,
    event: &'a serde_json::Value,
}

impl<'a> Row<'a> {
    fn new(sale: &'a Sale) -> Result<Self, StoreError> {
        let Sale { before, payment_was, payment, tickets, message, event, cause } = sale;
        Ok(Self {
            show_id: before.id.show().uuid(),
            booking_no: before.id.local_i64(),
            version: before.version,
            seats: tickets
                .iter()
                .map(|ticket| decode::seat_column(ticket.seat_no))
                .collect::<Result<_, _>>()?,
            ticket_numbers: tickets.iter().map(|ticket| ticket.id.local_i64()).collect(),
            codes: tickets.iter().map(|ticket| ticket.code.as_str()).collect(),
            payment_no: payment.id.local_i64(),
            payment_was: payment_was.map(PaymentStatus::as_str),
            provider: &payment.provider,
            intent: &payment.intent,
            currency: payment.amount.currency().code(),
            amount: payment.amount.minor(),
            message: message.uuid(),
            actor_kind: cause.actor.kind().as_str(),
            actor: cause.actor.name(),
            reason: cause.reason.as_str(),
            trace_id: event.trace.as_deref().and_then(trace_id),
            event_id: event.id.uuid(),
            event_name: &event.name,
            event_version: event.version,
            event_time: event.time,
            event_trace: event.trace.as_deref(),
            event: &event.body,
        })
    }
}

/// For each of up to [`SALES_AT_ONCE`] sales, of different bookings: takes note of the message and of the
/// payment, confirms the booking, sells its seats, issues its tickets, and writes both audit entries and the
/// event. All of that, or nothing of it when the booking and its seats are not as the sale says, or somebody
/// has locked one of them. Tells whose was done.
///
/// # Errors
/// When the tables cannot be written: then nothing was done for any.
pub async fn sale_insert<C: ConnectionTrait>(
    conn: &C,
    consumer: &str,
    sales: &[Sale],
) -> Result<HashSet<BookingId>, StoreError> {
    let rows = sales.iter().map(Row::new).collect::<Result<Vec<_>, _>>()?;
    let rows = serde_json::to_string(&rows).map_err(|error| StoreError::corrupt("sale", error))?;
    let sold = conn
        .query_all_raw(sql(
            concat!(
                "with sale as materialized (
                     -- The limit also says how few there are, which nothing else tells the planner.
                     select * from jsonb_to_recordset($1::text::jsonb) as sale
                            (show_id uuid, booking_no bigint, version bigint, seats smallint[],
                             ticket_numbers bigint[], codes text[], payment_no bigint, payment_was text,
                             provider text, intent text, currency text, amount bigint, message uuid,
                             actor_kind text, actor text, reason text, trace_id text, event_id uuid,
                             event_name text, event_version integer, event_time timestamptz,
                             event_trace text, event jsonb)
                      limit $6
                 ), booked as materialized (
                     select sale.*
                       from sale
                      cross join lateral
                            (select b.booking_no
                               from booking.bookings b
                               join booking.shows s on s.show_id = b.show_id
                              where b.show_id = sale.show_id and b.booking_no = sale.booking_no
                                and b.version = sale.version and b.status = $2 and s.status = 'SCHEDULED'
                                for update of b skip locked) b
                 ), owned as materialized (
                     select b.show_id, b.booking_no, a.seat_no
                       from booked b
                      cross join lateral
                            (select a.seat_no
                               from booking.seat_allocations a
                              where a.show_id = b.show_id and a.seat_no = any(b.seats)
                                and a.booking_no = b.booking_no
                                for update skip locked) a
                 ), captured as (
                     -- Nothing follows unless this adds or changes a row.
                     insert into booking.payments as p
                            (show_id, payment_no, booking_no, provider, provider_intent, status, currency,
                             amount_minor, created_at, updated_at)
                     select show_id, payment_no, booking_no, provider, intent, $3, currency, amount,
                            booking.now(), booking.now()
                       from booked b
                      where cardinality(seats) = (select count(*) from owned o
                                                   where o.show_id = b.show_id and o.booking_no = b.booking_no)
                         on conflict on constraint payments_pkey do update
                        set status = excluded.status, failure = null, currency = excluded.currency,
                            amount_minor = excluded.amount_minor, updated_at = excluded.updated_at
                      where p.booking_no = excluded.booking_no
                        and p.status = (select b.payment_was from booked b
                                         where b.show_id = p.show_id and b.payment_no = p.payment_no
                                           and b.booking_no = p.booking_no)
                     returning p.show_id, p.payment_no, p.booking_no
                 ), paid as materialized (
                     select b.* from captured join booked b using (show_id, payment_no, booking_no)
                 ), received as (
                     insert into booking.inbox (key, consumer, event_id)
                     select show_id, $4, message from paid
                         on conflict do nothing
                 ), changed as (
                     update booking.bookings b
                        set status = $5, version = paid.version + 1, updated_at = booking.now()
                       from paid
                      where b.show_id = paid.show_id and b.booking_no = paid.booking_no
                 ), issued as (
                     insert into booking.tickets (show_id, ticket_no, booking_no, seat_no, code, issued_at)
                     select show_id, t.ticket_no, booking_no, t.seat_no, t.code, booking.now()
                       from paid, unnest(ticket_numbers, seats, codes) as t (ticket_no, seat_no, code)
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, e.entity, e.entity_no, booking_no, e.was, e.became, e.seats, actor_kind, actor,
                            reason, trace_id
                       from paid
                      cross join lateral
                            (values ('PAYMENT', payment_no, payment_was, $3, '{}'),
                                    ('BOOKING', booking_no, $2, $5, paid.seats))
                            as e (entity, entity_no, was, became, seats)
                 ), told as (
                     insert into booking.outbox (key, event_id, name, version, time, trace, body)
                     select show_id, event_id, event_name, event_version, event_time, event_trace, event
                       from paid
                 ), sold as (
                     update booking.seat_allocations a
                        set sold = true
                       from owned o
                       join paid using (show_id, booking_no)
                      where a.show_id = o.show_id and a.seat_no = o.seat_no
                 )
                 select show_id, booking_no from paid"
            ),
            [
                rows.into(),
                BookingStatus::PendingPayment.as_str().into(),
                PaymentStatus::Succeeded.as_str().into(),
                consumer.into(),
                BookingStatus::Confirmed.as_str().into(),
                (SALES_AT_ONCE as i64).into(),
            ],
        ))
        .await?;
    sold.iter()
        .map(|row| Ok(BookingId::from_db(row.try_get("", "show_id")?, row.try_get("", "booking_no")?)))
        .collect()
}
