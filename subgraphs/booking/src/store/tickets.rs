//! `booking.tickets`.

use kernel::{BookingId, TicketId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{StoreError, bookings, decode, sql};
use crate::domain::ticket::Ticket;

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    ticket_no: i64,
    booking_no: i64,
    seat_no: i16,
    code: String,
}

/// The valid tickets of these bookings, ascending by seat within a booking.
///
/// # Errors
/// When the table cannot be read.
pub async fn ticket_list<C: ConnectionTrait>(conn: &C, ids: &[BookingId]) -> Result<Vec<Ticket>, StoreError> {
    let (shows, numbers) = bookings::columns(ids);
    let rows = conn
        .query_all_raw(sql(
            "select t.show_id, t.ticket_no, t.booking_no, t.seat_no, t.code
               from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
               join booking.tickets t using (show_id, booking_no)
              where t.voided_at is null
              order by t.show_id, t.booking_no, t.seat_no",
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let row = Row::from_query_result(row, "")?;
            Ok(Ticket {
                id: TicketId::from_db(row.show_id, row.ticket_no),
                booking: BookingId::from_db(row.show_id, row.booking_no),
                seat_no: decode::seat_no(row.seat_no)?,
                code: row.code,
            })
        })
        .collect()
}
