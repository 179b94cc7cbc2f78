//! The one statement of a checkout, and what earlier ones made.

use std::time::Duration;

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::{HoldId, ShowId, UserId};
use platform::outbox;
use sea_orm::ConnectionTrait;

use super::audit::{audit_columns, values};
use super::booking_seats::{Columns, seat_columns};
use super::bookings::{booking, select};
use super::bugs::with_bugs;
use super::{StoreError, sql};
use crate::domain::audit::Cause;
use crate::domain::booking::{BookedSeat, Booking};

/// All that a checkout writes.
#[derive(Debug)]
pub struct NewBooking<'a> {
    /// The booking, in version 1. Its times are yet to be told by the database.
    pub booking: &'a Booking,
    /// How long its seats are claimed.
    pub claim_ttl: Duration,
    /// Its seats, ascending.
    pub seats: &'a [BookedSeat],
    /// The client's key.
    pub idempotency_key: &'a str,
    /// `booking.pending`; when the claim lapses is filled in.
    pub event: &'a Envelope,
    /// Who checks out.
    pub cause: &'a Cause,
}

/// What became of a checkout. Unless `Inserted`, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Everything is there.
    Done {
        /// When that was.
        created_at: DateTime<Utc>,
        /// When the claim lapses.
        expires_at: DateTime<Utc>,
    },
    /// This key or this hold made a booking before.
    Earlier,
    /// Somebody owns one of the seats.
    SeatsTaken,
    /// The reference or the number is in use: draw another.
    Collision,
    /// The durable hold that it is to be made of does not live.
    HoldEnded,
}

/// Inserts a pending booking, its seats, their allocations in ascending order, what its key was used for,
/// its audit entry and its event: all of them or nothing, in one statement and so in one round trip.
///
/// # Errors
/// When the tables cannot be written.
pub async fn booking_insert<C: ConnectionTrait>(
    conn: &C,
    new: &NewBooking<'_>,
) -> Result<Inserted, StoreError> {
    let NewBooking { booking, seats, event, .. } = new;
    let [actor_kind, actor, reason, trace] = values(new.cause);
    let [_, event_id, event_name, event_version, event_time, event_trace, event_body] =
        outbox::columns(event);
    let Columns { numbers, labels, kinds, prices, fees, taxes } = seat_columns(seats)?;
    let done = conn
        .query_one_raw(with_bugs(sql(
            concat!(
                "with line as (
                 select * from unnest($15::smallint[], $16::text[], $17::text[], $18::bigint[],
                                      $19::bigint[], $20::bigint[])
                     as l(seat_no, label, kind, price_minor, fee_minor, tax_minor)
             ), booked as (
                 insert into booking.bookings
                     (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
                      subtotal_minor, fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at,
                      accepts_equivalent)
                 values ($1, $2, $3, $4, $5, $6, $7, $9, $10, $11, $12, $13,
                         booking.now() + $14::double precision * interval '1 second', booking.now(),
                         booking.now(), $31)
                 returning created_at, expires_at
             ), keyed as (
                 insert into booking.checkout_keys (show_id, user_id, idempotency_key, hold_no)
                 values ($1, $3, $8, $7)
             ), seated as (
                 insert into booking.booking_seats
                     (show_id, booking_no, seat_no, label, kind, price_minor, fee_minor, tax_minor)
                 select $1, $2, seat_no, label, kind, price_minor, fee_minor, tax_minor from line
             ), claimed as (
                 insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
                 select $1, seat_no, $2, false from line order by seat_no
             ), audited as (
                 ",
                audit_columns!(),
                "values ($1, 'BOOKING', $2, $2, null, $5, $15, $27, $28, $29, $30)
             ), told as (
                 insert into booking.outbox (key, event_id, name, version, time, trace, body)
                 select $1, $21, $22, $23, $24, $25,
                        jsonb_set($26::jsonb, '{expires_at}', to_jsonb(expires_at))
                   from booked
             )
             select created_at, expires_at from booked"
            ),
            [
                booking.id.show().uuid().into(),
                booking.id.local_i64().into(),
                booking.user.uuid().into(),
                booking.reference.as_str().into(),
                booking.status.as_str().into(),
                booking.version.into(),
                booking.hold.local_i64().into(),
                new.idempotency_key.into(),
                booking.total.currency().code().into(),
                booking.subtotal.minor().into(),
                booking.fee.minor().into(),
                booking.tax.minor().into(),
                booking.total.minor().into(),
                new.claim_ttl.as_secs_f64().into(),
                numbers.into(),
                labels.into(),
                kinds.into(),
                prices.into(),
                fees.into(),
                taxes.into(),
                event_id,
                event_name,
                event_version,
                event_time,
                event_trace,
                event_body,
                actor_kind,
                actor,
                reason,
                trace,
                booking.accepts_equivalent.into(),
            ],
        )))
        .await;
    let error = match done {
        Ok(row) => {
            let row = row.ok_or_else(|| StoreError::corrupt("booking", booking.id))?;
            let (created_at, expires_at) = (row.try_get("", "created_at")?, row.try_get("", "expires_at")?);
            return Ok(Inserted::Done { created_at, expires_at });
        }
        Err(error) => error,
    };
    let violates = |constraint| platform::pg::is_unique_violation(&error, constraint);
    if violates("seat_allocations_pkey") {
        Ok(Inserted::SeatsTaken)
    } else if violates("checkout_keys_pkey") || violates("bookings_once_per_hold") {
        Ok(Inserted::Earlier)
    } else if violates("bookings_reference") || violates("bookings_pkey") {
        Ok(Inserted::Collision)
    } else {
        Err(error.into())
    }
}

/// The booking that was made from a hold.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_find_of_hold<C: ConnectionTrait>(
    conn: &C,
    hold: HoldId,
) -> Result<Option<Booking>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!("from booking.bookings b where b.show_id = $1 and b.hold_no = $2"),
            [hold.show().uuid().into(), hold.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(booking).transpose()
}

/// Uses a user's idempotency key for the checkout of a hold, and tells which hold it was used for first.
///
/// # Errors
/// When the table cannot be written.
pub async fn checkout_key_use<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    idempotency_key: &str,
    hold: HoldId,
) -> Result<HoldId, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "insert into booking.checkout_keys as k (show_id, user_id, idempotency_key, hold_no)
             values ($1, $2, $3, $4)
                 on conflict on constraint checkout_keys_pkey do update set hold_no = k.hold_no
             returning hold_no",
            [hold.show().uuid().into(), user.uuid().into(), idempotency_key.into(), hold.local_i64().into()],
        ))
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt("checkout key", idempotency_key))?;
    Ok(HoldId::from_db(hold.show().uuid(), row.try_get("", "hold_no")?))
}

/// The hold of a show that a user's idempotency key was used for.
///
/// # Errors
/// When the table cannot be read.
pub async fn checkout_key_get<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    idempotency_key: &str,
    show: ShowId,
) -> Result<Option<HoldId>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select hold_no from booking.checkout_keys
              where show_id = $1 and user_id = $2 and idempotency_key = $3",
            [show.uuid().into(), user.uuid().into(), idempotency_key.into()],
        ))
        .await?;
    row.map(|row| Ok(HoldId::from_db(show.uuid(), row.try_get("", "hold_no")?))).transpose()
}
