//! The statements that give seats to a booking for good, and that take them back.

use kernel::{BookingId, ShowId};
use platform::faults::mutant;
use sea_orm::ConnectionTrait;

use super::audit::{audit_columns, values};
use super::bookings::booking_changed;
use super::{StoreError, decode, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::Booking;
use crate::domain::ticket::Ticket;

/// Writes a locked booking that became `Confirmed`: its status, its allocations sold, its
/// tickets, its audit entry.
///
/// # Errors
/// [`StoreError::Stale`] when it is not in the version that `booking` follows.
pub async fn booking_confirm<C: ConnectionTrait>(
    conn: &C,
    booking: &Booking,
    tickets: &[Ticket],
    cause: &Cause,
) -> Result<(), StoreError> {
    let ticket_numbers: Vec<i64> = tickets.iter().map(|ticket| ticket.id.local_i64()).collect();
    let seats =
        tickets.iter().map(|ticket| decode::seat_column(ticket.seat_no)).collect::<Result<Vec<_>, _>>()?;
    let codes: Vec<String> = tickets.iter().map(|ticket| ticket.code.clone()).collect();
    let [kind, actor, reason, trace] = values(cause);
    let sold = conn
        .execute_raw(sql(
            concat!(
                booking_changed!(),
                ", issued as (
                     insert into booking.tickets
                         (show_id, ticket_no, booking_no, seat_no, code, issued_at)
                     select c.show_id, t.ticket_no, c.booking_no, t.seat_no, t.code, $5
                       from changed c,
                            unnest($6::bigint[], $7::smallint[], $8::text[])
                                as t(ticket_no, seat_no, code)
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'BOOKING', booking_no, booking_no, was, status, $7::smallint[],
                            $9, $10, $11, $12
                       from changed
                 )
                 update booking.seat_allocations a
                    set sold = true
                   from changed c
                  where a.show_id = c.show_id and a.booking_no = c.booking_no
                    and a.seat_no = any($7)"
            ),
            [
                booking.id.show().uuid().into(),
                booking.id.local_i64().into(),
                booking.status.as_str().into(),
                booking.version.into(),
                booking.updated_at.into(),
                ticket_numbers.into(),
                seats.into(),
                codes.into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?
        .rows_affected();
    if mutant("trust_redis_at_confirm") {
        return Ok(());
    }
    StoreError::expect_rows(sold, tickets.len() as u64)
}

/// Writes locked bookings of one show that gave up their seats: their status, their allocations
/// gone, their tickets void, their audit entries.
///
/// # Errors
/// [`StoreError::Stale`] when one is not in the version that its new state follows.
pub async fn booking_release<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    bookings: &[Booking],
    cause: &Cause,
) -> Result<(), StoreError> {
    let numbers: Vec<i64> = bookings.iter().map(|b| b.id.local_i64()).collect();
    let versions: Vec<i64> = bookings.iter().map(|b| b.version).collect();
    let statuses: Vec<String> = bookings.iter().map(|b| b.status.as_str().to_owned()).collect();
    let Some(at) = bookings.iter().map(|b| b.updated_at).max() else { return Ok(()) };
    let [kind, actor, reason, trace] = values(cause);
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with changed as (
                     update booking.bookings b
                        set status = n.status, version = n.version, updated_at = $5
                       from unnest($2::bigint[], $3::bigint[], $4::text[])
                                as n(booking_no, version, status)
                       join booking.bookings was on was.show_id = $1 and was.booking_no = n.booking_no
                      where b.show_id = $1 and b.booking_no = n.booking_no
                        and b.version = n.version - 1
                     returning b.show_id, b.booking_no, was.status as was, b.status
                 ), freed as (
                     delete from booking.seat_allocations a
                      using changed c, booking.booking_seats s
                      where s.show_id = c.show_id and s.booking_no = c.booking_no
                        and a.show_id = s.show_id and a.seat_no = s.seat_no
                        and a.booking_no = s.booking_no
                 ), voided as (
                     update booking.tickets t
                        set voided_at = $5
                       from changed c
                      where t.show_id = c.show_id and t.booking_no = c.booking_no
                        and t.voided_at is null
                 ), audited as (
                     ",
                audit_columns!(),
                "select c.show_id, 'BOOKING', c.booking_no, c.booking_no, c.was, c.status,
                            array(select s.seat_no
                                    from booking.booking_seats s
                                   where s.show_id = c.show_id and s.booking_no = c.booking_no
                                   order by s.seat_no),
                            $6, $7, $8, $9
                       from changed c
                 )
                 select count(*) as changed from changed"
            ),
            [
                show.uuid().into(),
                numbers.into(),
                versions.into(),
                statuses.into(),
                at.into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    let changed: i64 = row.map_or(Ok(0), |row| row.try_get("", "changed"))?;
    StoreError::expect_rows(changed.unsigned_abs(), bookings.len() as u64)
}

/// Gives back what [`allocation_claim_free`](super::allocations::allocation_claim_free) got, when
/// it was not enough.
///
/// # Errors
/// When the table cannot be written.
pub async fn allocation_release<C: ConnectionTrait>(
    conn: &C,
    booking: BookingId,
    seats: &[u16],
) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "delete from booking.seat_allocations
          where show_id = $1 and booking_no = $2 and seat_no = any($3)",
        [booking.show().uuid().into(), booking.local_i64().into(), decode::seat_columns(seats)?.into()],
    ))
    .await?;
    Ok(())
}
