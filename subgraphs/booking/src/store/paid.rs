//! A payment that comes in time, as nearly all do: what has to be known to decide about it, and the one
//! statement that sells the seats.
//!
//! Nothing is locked between the two. The statement does everything, in a transaction of its own, if
//! all that was decided upon still holds when it has locked it, and else nothing.

use events::Envelope;
use kernel::{BookingId, PaymentId};
use platform::outbox;
use sea_orm::ConnectionTrait;

use super::audit::{audit_columns, values};
use super::bookings::{booking, select};
use super::bugs::with_bugs;
use super::{StoreError, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::{BookedSeat, Booking};
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::show::ShowStatus;
use crate::domain::ticket::Ticket;

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

/// Reads a booking with all that decides what becomes of a payment. Nothing is locked.
///
/// # Errors
/// When the tables cannot be read.
pub async fn payable_get<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
    payment: PaymentId,
) -> Result<Option<Payable>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                ", s.status as show_status, p.status as payment_status,
                   l.seat_no, l.label, l.kind, l.price_minor, l.fee_minor as seat_fee_minor,
                   l.tax_minor as seat_tax_minor
                 from booking.bookings b
                 join booking.shows s on s.show_id = b.show_id
                 join booking.booking_seats l on l.show_id = b.show_id and l.booking_no = b.booking_no
                 left join booking.payments p on p.show_id = b.show_id and p.payment_no = $3
                where b.show_id = $1 and b.booking_no = $2
                order by l.seat_no"
            ),
            [id.show().uuid().into(), id.local_i64().into(), payment.local_i64().into()],
        ))
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
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
    Ok(Some(Payable {
        show: ShowStatus::parse(&show).ok_or_else(|| StoreError::corrupt("show status", &show))?,
        payment: payment
            .map(|status| {
                PaymentStatus::parse(&status).ok_or_else(|| StoreError::corrupt("payment status", &status))
            })
            .transpose()?,
        booking,
        seats,
    }))
}

/// Seats that are sold for a payment, and what was known when that was decided.
#[derive(Debug)]
pub struct Sale<'a> {
    /// The booking as it was.
    pub before: &'a Booking,
    /// The booking, confirmed, in its next version.
    pub booking: &'a Booking,
    /// Where the payment stood.
    pub payment_was: Option<PaymentStatus>,
    /// The payment, captured.
    pub payment: &'a Payment,
    /// A ticket for each seat, ascending.
    pub tickets: &'a [Ticket],
    /// The message that tells of the payment.
    pub message: &'a Envelope,
    /// Who takes that message in.
    pub consumer: &'a str,
    /// `booking.confirmed`.
    pub event: &'a Envelope,
    /// Who paid.
    pub cause: &'a Cause,
}

/// Takes note of the message and of the payment, confirms the booking, sells its seats, issues its
/// tickets, and writes both audit entries and the event: all of it, or nothing (`false`) when something
/// was not as `sale` says once the booking, and its seats in ascending order, were locked.
///
/// # Errors
/// When the tables cannot be written.
pub async fn sale_insert<C: ConnectionTrait>(conn: &C, sale: &Sale<'_>) -> Result<bool, StoreError> {
    let Sale { before, booking, payment, tickets, message, event, .. } = sale;
    let seats =
        tickets.iter().map(|ticket| decode::seat_column(ticket.seat_no)).collect::<Result<Vec<_>, _>>()?;
    let ticket_numbers: Vec<i64> = tickets.iter().map(|ticket| ticket.id.local_i64()).collect();
    let codes: Vec<String> = tickets.iter().map(|ticket| ticket.code.clone()).collect();
    let [actor_kind, actor, reason, trace] = values(sale.cause);
    let [_, event_id, event_name, event_version, event_time, event_trace, event_body] =
        outbox::columns(event);
    let sold = conn
        .execute_raw(with_bugs(sql(
            concat!(
                "with booked as materialized (
                     select b.show_id, b.booking_no
                       from booking.bookings b
                       join booking.shows s on s.show_id = b.show_id
                      where b.show_id = $1 and b.booking_no = $2 and b.version = $3 and b.status = $4
                        and s.status = 'SCHEDULED'
                        for update of b
                 ), owned as materialized (
                     select s.seat_no
                       from booked b
                       join booking.seat_allocations s
                         on s.show_id = b.show_id and s.booking_no = b.booking_no and s.seat_no = any($5)
                      order by s.seat_no
                        for update of s
                 ), captured as (
                     -- Nothing follows unless this adds or changes a row.
                     insert into booking.payments as p
                            (show_id, payment_no, booking_no, provider, provider_intent, status, currency,
                             amount_minor, created_at, updated_at)
                     select show_id, $6, booking_no, $7, $8, $9, $10, $11, booking.now(), booking.now()
                       from booked
                      where (select count(*) from owned) = cardinality($5)
                         on conflict on constraint payments_pkey do update
                        set status = excluded.status, failure = null, currency = excluded.currency,
                            amount_minor = excluded.amount_minor, updated_at = excluded.updated_at
                      where p.status = $12::text and p.booking_no = excluded.booking_no
                     returning p.show_id, p.booking_no
                 ), received as (
                     insert into booking.inbox (key, consumer, event_id)
                     select show_id, $13, $14 from captured
                         on conflict do nothing
                 ), changed as (
                     update booking.bookings b
                        set status = $15, version = $3 + 1, updated_at = booking.now()
                       from captured c
                      where b.show_id = c.show_id and b.booking_no = c.booking_no
                 ), issued as (
                     insert into booking.tickets (show_id, ticket_no, booking_no, seat_no, code, issued_at)
                     select c.show_id, t.ticket_no, c.booking_no, t.seat_no, t.code, booking.now()
                       from captured c,
                            unnest($16::bigint[], $5, $17::text[]) as t(ticket_no, seat_no, code)
                 ), audited as (
                     ",
                audit_columns!(),
                "select c.show_id, e.entity, e.entity_no, c.booking_no, e.was, e.became, e.seats,
                            $18, $19, $20, $21
                       from captured c,
                            (values ('PAYMENT', $6, $12::text, $9, '{}'),
                                    ('BOOKING', $2, $4, $15, $5))
                                as e (entity, entity_no, was, became, seats)
                 ), told as (
                     insert into booking.outbox (key, event_id, name, version, time, trace, body)
                     select show_id, $22, $23, $24, $25, $26, $27::jsonb from captured
                 )
                 update booking.seat_allocations a
                    set sold = true
                   from captured c, owned o
                  where a.show_id = c.show_id and a.seat_no = o.seat_no"
            ),
            [
                before.id.show().uuid().into(),
                before.id.local_i64().into(),
                before.version.into(),
                before.status.as_str().into(),
                seats.into(),
                payment.id.local_i64().into(),
                payment.provider.as_str().into(),
                payment.intent.as_str().into(),
                payment.status.as_str().into(),
                payment.amount.currency().code().into(),
                payment.amount.minor().into(),
                sale.payment_was.map(|status| status.as_str().to_owned()).into(),
                sale.consumer.into(),
                message.id.uuid().into(),
                booking.status.as_str().into(),
                ticket_numbers.into(),
                codes.into(),
                actor_kind,
                actor,
                reason,
                trace,
                event_id,
                event_name,
                event_version,
                event_time,
                event_trace,
                event_body,
            ],
        )))
        .await?
        .rows_affected();
    if sold > 0 {
        StoreError::expect_rows(sold, tickets.len() as u64)?;
    }
    Ok(sold > 0)
}
