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

/// Gives a booking that owns no seats these, ascending, in place of those that it was made with.
///
/// # Errors
/// When the table cannot be written, which is so when the booking still owns seats.
pub async fn booking_seats_replace<C: ConnectionTrait>(
    conn: &C,
    id: BookingId,
    seats: &[BookedSeat],
) -> Result<(), StoreError> {
    let Columns { numbers, labels, kinds, prices, fees, taxes } = seat_columns(seats)?;
    conn.execute_raw(sql(
        "with gone as (
             delete from booking.booking_seats
              where show_id = $1 and booking_no = $2 and seat_no <> all($3)
         )
         insert into booking.booking_seats
                (show_id, booking_no, seat_no, label, kind, price_minor, fee_minor, tax_minor)
         select $1, $2, seat_no, label, kind, price_minor, fee_minor, tax_minor
           from unnest($3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])
                as l(seat_no, label, kind, price_minor, fee_minor, tax_minor)
             on conflict on constraint booking_seats_pkey do update
            set label = excluded.label, kind = excluded.kind, price_minor = excluded.price_minor,
                fee_minor = excluded.fee_minor, tax_minor = excluded.tax_minor",
        [
            id.show().uuid().into(),
            id.local_i64().into(),
            numbers.into(),
            labels.into(),
            kinds.into(),
            prices.into(),
            fees.into(),
            taxes.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Lines of a booking as columns for `unnest`.
pub(super) struct Columns {
    pub(super) numbers: Vec<i16>,
    pub(super) labels: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) prices: Vec<i64>,
    pub(super) fees: Vec<i64>,
    pub(super) taxes: Vec<i64>,
}

pub(super) fn seat_columns(seats: &[BookedSeat]) -> Result<Columns, StoreError> {
    Ok(Columns {
        numbers: seats.iter().map(|seat| decode::seat_column(seat.seat_no)).collect::<Result<_, _>>()?,
        labels: seats.iter().map(|seat| seat.label.clone()).collect(),
        kinds: seats.iter().map(|seat| seat.kind.code().to_string()).collect(),
        prices: seats.iter().map(|seat| seat.price.minor()).collect(),
        fees: seats.iter().map(|seat| seat.fee.minor()).collect(),
        taxes: seats.iter().map(|seat| seat.tax.minor()).collect(),
    })
}
