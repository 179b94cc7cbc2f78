//! How many seats of many shows are left, in one query.

use std::str::FromStr;

use kernel::{Layout, ShowId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{StoreError, sql};

/// The seats of one show in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatCount {
    /// The show.
    pub show: ShowId,
    /// Seats that are not blocked.
    pub on_sale: u32,
    /// Seats that a pending or confirmed booking owns.
    pub allocated: u32,
}

/// Counts the seats of `shows`. Those that are unknown or cancelled are absent.
///
/// # Errors
/// When the tables cannot be read.
pub async fn seat_counts<C: ConnectionTrait>(
    conn: &C,
    shows: &[ShowId],
) -> Result<Vec<SeatCount>, StoreError> {
    let ids: Vec<Uuid> = shows.iter().map(|id| id.uuid()).collect();
    let rows = conn
        .query_all_raw(sql(
            "select s.show_id, s.layout, cardinality(s.blocked) as blocked,
                    (select count(*) from booking.seat_allocations a where a.show_id = s.show_id) as allocated
               from booking.shows s
              where s.show_id = any($1) and s.status = 'SCHEDULED'",
            [ids.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let layout: String = row.try_get("", "layout")?;
            let layout = Layout::from_str(&layout).map_err(|error| StoreError::corrupt("layout", error))?;
            let blocked: i32 = row.try_get("", "blocked")?;
            let allocated: i64 = row.try_get("", "allocated")?;
            let count = |number: i64| u32::try_from(number).map_err(|_| StoreError::corrupt("count", number));
            Ok(SeatCount {
                show: ShowId::from_uuid(row.try_get("", "show_id")?),
                on_sale: (layout.seat_count() as u32).saturating_sub(count(blocked.into())?),
                allocated: count(allocated)?,
            })
        })
        .collect()
}

/// How many seats of `shows` more than one can claim: two confirmed bookings have tickets for the
/// seat, or one has, and the seat is somebody else's. Nothing but a broken constraint makes one.
///
/// # Errors
/// When the tables cannot be read.
pub async fn seat_count_oversold<C: ConnectionTrait>(conn: &C, shows: &[ShowId]) -> Result<u64, StoreError> {
    let ids: Vec<Uuid> = shows.iter().map(|id| id.uuid()).collect();
    let row = conn
        .query_one_raw(sql(
            "select count(*) as oversold
               from (select s.show_id, s.seat_no
                       from booking.bookings b
                       join booking.booking_seats s using (show_id, booking_no)
                       left join booking.seat_allocations a
                         on a.show_id = s.show_id and a.seat_no = s.seat_no
                      where b.show_id = any($1) and b.status = 'CONFIRMED'
                      group by s.show_id, s.seat_no
                     having count(*) > 1
                         or bool_or(a.seat_no is not null and a.booking_no is distinct from s.booking_no)
                    ) as seats",
            [ids.into()],
        ))
        .await?;
    let oversold: i64 = row.map_or(Ok(0), |row| row.try_get("", "oversold"))?;
    Ok(oversold.unsigned_abs())
}
