//! `booking.booking_seats`: the seats of a booking with their locked prices.

use kernel::BookingId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{StoreError, bookings, decode, sql};
use crate::domain::booking::BookedSeat;

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    booking_no: i64,
    seat_no: i16,
    label: String,
    kind: String,
    price_minor: i64,
    fee_minor: i64,
    tax_minor: i64,
    currency: String,
}

/// The seats of these bookings, each with its booking; ascending within a booking.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_seat_list<C: ConnectionTrait>(
    conn: &C,
    ids: &[BookingId],
) -> Result<Vec<(BookingId, BookedSeat)>, StoreError> {
    let (shows, numbers) = bookings::columns(ids);
    let rows = conn
        .query_all_raw(sql(
            "select s.show_id, s.booking_no, s.seat_no, s.label, s.kind,
                    s.price_minor, s.fee_minor, s.tax_minor, b.currency
               from unnest($1::uuid[], $2::bigint[]) as want(show_id, booking_no)
               join booking.bookings b using (show_id, booking_no)
               join booking.booking_seats s using (show_id, booking_no)
              order by s.show_id, s.booking_no, s.seat_no",
            [shows.into(), numbers.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let row = Row::from_query_result(row, "")?;
            let seat = BookedSeat {
                seat_no: decode::seat_no(row.seat_no)?,
                kind: decode::seat_kind(&row.kind)?,
                price: decode::money(row.price_minor, &row.currency)?,
                fee: decode::money(row.fee_minor, &row.currency)?,
                tax: decode::money(row.tax_minor, &row.currency)?,
                label: row.label,
            };
            Ok((BookingId::from_db(row.show_id, row.booking_no), seat))
        })
        .collect()
}

/// The seats of one booking, ascending.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_seats<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
) -> Result<Vec<BookedSeat>, StoreError> {
    Ok(booking_seat_list(conn, &[id]).await?.into_iter().map(|(_, seat)| seat).collect())
}
