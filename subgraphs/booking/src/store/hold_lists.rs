//! Which durable holds there are: of a user, of a show, overdue, not told to Redis, long over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::{HoldId, ShowId, UserId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::holds::{DurableHold, durable_hold, select};
use super::{StoreError, sql};

/// How many seats a user has in each show as far as PostgreSQL knows: durable holds that live, and
/// bookings that wait for their payment.
///
/// # Errors
/// When the tables cannot be read.
pub async fn hold_usage<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
) -> Result<Vec<(ShowId, u32)>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, sum(seats)::bigint as seats
               from (select show_id, cardinality(seats) as seats
                       from booking.holds
                      where user_id = $1 and status = 'HELD' and expires_at > clock_timestamp()
                     union all
                     select b.show_id, s.seats
                       from booking.bookings b
                      cross join lateral (
                            select count(*) as seats
                              from booking.booking_seats s
                             where s.show_id = b.show_id and s.booking_no = b.booking_no) s
                      where b.user_id = $1 and b.status = 'PENDING_PAYMENT' and b.expires_at > booking.now()) u
              group by show_id",
            [user.uuid().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let seats: i64 = row.try_get("", "seats")?;
            let seats = u32::try_from(seats).map_err(|_| StoreError::corrupt("count", seats))?;
            Ok((ShowId::from_uuid(row.try_get("", "show_id")?), seats))
        })
        .collect()
}

/// Seats of a show that a booking has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedSeats {
    /// What the booking was made of.
    pub hold: HoldId,
    /// How many.
    pub seats: u32,
    /// Whether they are paid for.
    pub paid: bool,
}

/// What bookings of a user have of a show: those that are confirmed, and those that wait for their
/// payment and still may.
///
/// # Errors
/// When the tables cannot be read.
pub async fn booking_list_owned<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    user: UserId,
) -> Result<Vec<OwnedSeats>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select b.hold_no, b.status = 'CONFIRMED' as paid,
                    (select count(*) from booking.booking_seats s
                      where s.show_id = b.show_id and s.booking_no = b.booking_no) as seats
               from booking.bookings b
              where b.show_id = $1 and b.user_id = $2
                and (b.status = 'CONFIRMED'
                     or (b.status = 'PENDING_PAYMENT' and b.expires_at > booking.now()))",
            [show.uuid().into(), user.uuid().into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let seats: i64 = row.try_get("", "seats")?;
            Ok(OwnedSeats {
                hold: HoldId::from_db(show.uuid(), row.try_get("", "hold_no")?),
                seats: u32::try_from(seats).map_err(|_| StoreError::corrupt("count", seats))?,
                paid: row.try_get("", "paid")?,
            })
        })
        .collect()
}

/// What a seat map of the show has to know of its holds: those that live, and those that ended
/// before their time or lately, which a map that is older may believe to live. Clocks may differ
/// by five minutes.
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_list_of_show<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
) -> Result<Vec<DurableHold>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.holds h
                where h.show_id = $1 and h.expires_at > clock_timestamp() - interval '5 minutes'"
            ),
            [show.uuid().into()],
        ))
        .await?;
    rows.iter().map(durable_hold).collect()
}

/// Up to `limit` holds that have not ended although their time is over, the oldest first.
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_list_overdue<C: ConnectionTrait>(conn: &C, limit: u32) -> Result<Vec<HoldId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id, hold_no
               from booking.holds
              where status = 'HELD' and expires_at <= clock_timestamp()
              order by expires_at
              limit $1",
            [i64::from(limit).into()],
        ))
        .await?;
    rows.iter()
        .map(|row| Ok(HoldId::from_db(row.try_get("", "show_id")?, row.try_get("", "hold_no")?)))
        .collect()
}

/// Up to `limit` holds that Redis was not told of as they are now, the oldest change first.
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_list_untold<C: ConnectionTrait>(
    conn: &C,
    limit: u32,
) -> Result<Vec<DurableHold>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!(
                "from booking.holds h
                where h.told_version < h.version
                order by h.updated_at
                limit $1"
            ),
            [i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(durable_hold).collect()
}

/// Is there a hold, made this long ago or longer, that Redis was never told of?
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_is_any_untold<C: ConnectionTrait>(conn: &C, age: Duration) -> Result<bool, StoreError> {
    let row = conn
        .query_one_raw(sql(
            // The second condition finds the index.
            "select exists(
                 select 1 from booking.holds
                  where told_version = 0 and told_version < version
                    and created_at <= clock_timestamp() - $1::double precision * interval '1 second'
             ) as untold",
            [age.as_secs_f64().into()],
        ))
        .await?;
    Ok(row.map_or(Ok(false), |row| row.try_get("", "untold"))?)
}

/// Redis knows these versions of these holds. Tells how many were marked: those that others work on
/// are left to the next time.
///
/// # Errors
/// When the table cannot be written.
pub async fn hold_mark_told<C: ConnectionTrait>(conn: &C, told: &[(HoldId, i64)]) -> Result<u64, StoreError> {
    let shows: Vec<Uuid> = told.iter().map(|(id, _)| id.show().uuid()).collect();
    let numbers: Vec<i64> = told.iter().map(|(id, _)| id.local_i64()).collect();
    let versions: Vec<i64> = told.iter().map(|(_, version)| *version).collect();
    let done = conn
        .execute_raw(sql(
            "with picked as (
                 select h.show_id, h.hold_no, t.version
                   from booking.holds h
                   join unnest($1::uuid[], $2::bigint[], $3::bigint[]) as t(show_id, hold_no, version)
                     on h.show_id = t.show_id and h.hold_no = t.hold_no
                  where h.told_version < t.version
                  order by h.show_id, h.hold_no
                    for no key update of h skip locked
             )
             update booking.holds h
                set told_version = p.version
               from picked p
              where h.show_id = p.show_id and h.hold_no = p.hold_no",
            [shows.into(), numbers.into(), versions.into()],
        ))
        .await?;
    Ok(done.rows_affected())
}

/// Redis may have forgotten what it was told of holds that live.
///
/// # Errors
/// When the table cannot be written.
pub async fn hold_mark_forgotten<C: ConnectionTrait>(conn: &C) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "with picked as (
             select show_id, hold_no
               from booking.holds
              where status = 'HELD' and told_version > 0
              order by show_id, hold_no
                for no key update
         )
         update booking.holds h
            set told_version = 0
           from picked p
          where h.show_id = p.show_id and h.hold_no = p.hold_no",
        [],
    ))
    .await?;
    Ok(())
}

/// Shows with a hold or a booking that changed within this time, by the clock of the database.
///
/// # Errors
/// When the tables cannot be read.
pub async fn show_list_changed<C: ConnectionTrait>(
    conn: &C,
    within: Duration,
) -> Result<Vec<ShowId>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select show_id from booking.holds
              where updated_at >= clock_timestamp() - $1::double precision * interval '1 second'
             union
             select show_id from booking.bookings
              where updated_at >= clock_timestamp() - $1::double precision * interval '1 second'",
            [within.as_secs_f64().into()],
        ))
        .await?;
    rows.iter().map(|row| Ok(ShowId::from_uuid(row.try_get("", "show_id")?))).collect()
}

/// Forgets up to `limit` holds that ended before then, and tells how many it were.
///
/// # Errors
/// When the table cannot be written.
pub async fn hold_purge<C: ConnectionTrait>(
    conn: &C,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StoreError> {
    let done = conn
        .execute_raw(sql(
            "delete from booking.holds h
              using (select show_id, hold_no
                       from booking.holds
                      where updated_at < $1 and status <> 'HELD' and told_version = version
                      order by updated_at
                      limit $2) old
              where h.show_id = old.show_id and h.hold_no = old.hold_no",
            [before.into(), i64::from(limit).into()],
        ))
        .await?;
    Ok(done.rows_affected())
}
