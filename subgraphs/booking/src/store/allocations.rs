//! `booking.seat_allocations`: the rows that make a double sale impossible.

use chrono::{DateTime, Utc};
use kernel::{BookingId, HoldId, ShowId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{StoreError, bugs::with_bugs, decode, sql};

/// A seat that a pending or confirmed booking owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Seat index in layout order.
    pub seat_no: u16,
    /// The owner.
    pub booking: BookingId,
    /// The owner's version when it was read.
    pub booking_version: i64,
    /// Paid for?
    pub sold: bool,
    /// While unpaid: when the claim lapses.
    pub claimed_until: Option<DateTime<Utc>>,
    /// When it was read, by the clock of the database.
    pub read_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    seat_no: i16,
    booking_no: i64,
    version: i64,
    sold: bool,
    expires_at: DateTime<Utc>,
    read_at: DateTime<Utc>,
}

/// Who has a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A pending or confirmed booking.
    Booking(BookingId),
    /// A durable hold.
    Hold(HoldId),
}

impl Owner {
    /// From the two columns, of which one is there.
    fn from_row(show: ShowId, row: &sea_orm::QueryResult) -> Result<Self, StoreError> {
        let (booking, hold): (Option<i64>, Option<i64>) =
            (row.try_get("", "booking_no")?, row.try_get("", "hold_no")?);
        match (booking, hold) {
            (Some(booking), None) => Ok(Self::Booking(BookingId::from_db(show.uuid(), booking))),
            (None, Some(hold)) => Ok(Self::Hold(HoldId::from_db(show.uuid(), hold))),
            other => Err(StoreError::corrupt("owner of a seat", format!("{other:?}"))),
        }
    }
}

/// A seat that somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenSeat {
    /// Seat index in layout order.
    pub seat_no: u16,
    /// Who has it.
    pub owner: Owner,
    /// Paid for?
    pub sold: bool,
    /// Is the time of the hold or of the claim over, so that it gives way to whoever wants the seat?
    pub overdue: bool,
}

/// All seats of a show that somebody has, ascending.
///
/// # Errors
/// When the table cannot be read.
pub async fn allocation_list_taken<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
) -> Result<Vec<TakenSeat>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select a.seat_no, a.booking_no, a.hold_no, a.sold,
                    case when a.hold_no is null then not a.sold and b.expires_at <= booking.now()
                         else a.held_until <= clock_timestamp() end as overdue
               from booking.seat_allocations a
               left join booking.bookings b using (show_id, booking_no)
              where a.show_id = $1
              order by a.seat_no",
            [show.uuid().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TakenSeat {
                seat_no: decode::seat_no(row.try_get("", "seat_no")?)?,
                owner: Owner::from_row(show, row)?,
                sold: row.try_get("", "sold")?,
                overdue: row.try_get("", "overdue")?,
            })
        })
        .collect()
}

/// All seats of a show that a booking owns, ascending.
///
/// # Errors
/// When the table cannot be read.
pub async fn allocation_list<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
) -> Result<Vec<Allocation>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select a.seat_no, a.booking_no, b.version, a.sold, b.expires_at, booking.now() as read_at
               from booking.seat_allocations a
               join booking.bookings b using (show_id, booking_no)
              where a.show_id = $1
              order by a.seat_no",
            [show.uuid().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let row = Row::from_query_result(row, "")?;
            Ok(Allocation {
                seat_no: decode::seat_no(row.seat_no)?,
                booking: BookingId::from_db(show.uuid(), row.booking_no),
                booking_version: row.version,
                sold: row.sold,
                claimed_until: (!row.sold).then_some(row.expires_at),
                read_at: row.read_at,
            })
        })
        .collect()
}

/// Every booking of a show with its version, owners of seats or not: what a rebuilt seat map must
/// regard as already applied.
///
/// A rebuild reads this *before* [`allocation_list`] (or both in one repeatable-read transaction):
/// a version that is too old makes a transition be applied twice, which is harmless; one that is
/// too new would make it be ignored.
///
/// # Errors
/// When the table cannot be read.
pub async fn booking_versions<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
) -> Result<Vec<(BookingId, i64)>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select booking_no, version from booking.bookings where show_id = $1",
            [show.uuid().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let booking_no: i64 = row.try_get("", "booking_no")?;
            let version: i64 = row.try_get("", "version")?;
            Ok((BookingId::from_db(show.uuid(), booking_no), version))
        })
        .collect()
}

/// Which of `seats` have an owner, with the owner; ascending.
///
/// # Errors
/// When the table cannot be read.
pub async fn allocation_owners<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    seats: &[u16],
) -> Result<Vec<(u16, Owner)>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select seat_no, booking_no, hold_no
               from booking.seat_allocations
              where show_id = $1 and seat_no = any($2)
              order by seat_no",
            [show.uuid().into(), decode::seat_columns(seats)?.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok((decode::seat_no(row.try_get("", "seat_no")?)?, Owner::from_row(show, row)?)))
        .collect()
}

/// Locks those of `seats` that `booking` owns, in ascending order, and tells which they are.
///
/// # Errors
/// When the table cannot be read.
pub async fn allocation_lock_sorted<C: ConnectionTrait>(
    conn: &C,
    booking: BookingId,
    seats: &[u16],
) -> Result<Vec<u16>, StoreError> {
    let rows = conn
        .query_all_raw(with_bugs(sql(
            "select seat_no
               from booking.seat_allocations
              where show_id = $1 and seat_no = any($3) and booking_no = $2
              order by seat_no
                for update",
            [booking.show().uuid().into(), booking.local_i64().into(), decode::seat_columns(seats)?.into()],
        )))
        .await?;
    rows.iter().map(|row| decode::seat_no(row.try_get("", "seat_no")?)).collect()
}

/// Claims those of `seats` that are free for `booking`, in ascending order, and tells how many
/// that were. Waits for a concurrent claim to be decided.
///
/// # Errors
/// When the table cannot be written.
pub async fn allocation_claim_free<C: ConnectionTrait>(
    conn: &C,
    booking: BookingId,
    seats: &[u16],
) -> Result<u64, StoreError> {
    let done = conn
        .execute_raw(with_bugs(sql(
            "insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
             select $1, seat_no, $2, false
               from unnest($3::smallint[]) as s(seat_no)
              order by seat_no
                 on conflict on constraint seat_allocations_pkey do nothing",
            [booking.show().uuid().into(), booking.local_i64().into(), decode::seat_columns(seats)?.into()],
        )))
        .await?;
    Ok(done.rows_affected())
}
