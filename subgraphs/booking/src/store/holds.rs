//! `booking.holds`: holds that PostgreSQL keeps, with their seats in `booking.seat_allocations`.
//!
//! Whether a hold is over is decided by the clock of the database, as Redis decides by its own:
//! the clocks of processes may differ.
//!
//! Every change of a hold happens under the lock of its row, and only then touches its seats.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::{BookingId, HoldId, ShowId, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values};
use super::{StoreError, bugs::with_bugs, decode, sql};
use crate::domain::audit::{Cause, HoldState};
use crate::domain::hold::{Hold, HoldEnd, twin};

/// A durable hold, alive or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableHold {
    /// It; the seats stay known when it has ended.
    pub hold: Hold,
    /// Where it stands. A hold whose time is over is `Expired`, whether that is written down or not.
    pub state: HoldState,
    /// Grows with each change.
    pub version: i64,
    /// A short stand-in for the idempotency key.
    pub key_digest: String,
    /// The same for all that was asked for.
    pub request_digest: String,
}

impl DurableHold {
    /// How it ended, if it has.
    pub const fn end(&self) -> Option<HoldEnd> {
        match self.state {
            HoldState::Held => None,
            HoldState::Released => Some(HoldEnd::Released),
            HoldState::Expired => Some(HoldEnd::Expired),
            HoldState::Consumed => Some(HoldEnd::Consumed),
            HoldState::Lost => Some(HoldEnd::Lost),
        }
    }
}

/// A query for whole holds, `h`, that goes on as given.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select h.show_id, h.hold_no, h.user_id, h.key_digest, h.request_digest, h.version, h.seats,
                    h.created_at, h.expires_at,
                    case when h.status = 'HELD' and h.expires_at <= clock_timestamp() then 'EXPIRED'
                         else h.status end as state ",
            $rest
        )
    };
}
pub(super) use select;

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    hold_no: i64,
    user_id: Uuid,
    key_digest: String,
    request_digest: String,
    version: i64,
    seats: Vec<i16>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    state: String,
}

/// The hold in a row of [`select`].
pub(super) fn durable_hold(row: &QueryResult) -> Result<DurableHold, StoreError> {
    let row = Row::from_query_result(row, "")?;
    Ok(DurableHold {
        hold: Hold {
            id: HoldId::from_db(row.show_id, row.hold_no),
            owner: UserId::from_uuid(row.user_id),
            seats: row.seats.into_iter().map(decode::seat_no).collect::<Result<_, _>>()?,
            created_at: row.created_at,
            expires_at: row.expires_at,
        },
        state: HoldState::parse(&row.state).ok_or_else(|| StoreError::corrupt("hold state", &row.state))?,
        version: row.version,
        key_digest: row.key_digest,
        request_digest: row.request_digest,
    })
}

/// One hold, alive or not.
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_get<C: ConnectionTrait>(conn: &C, id: HoldId) -> Result<Option<DurableHold>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!("from booking.holds h where h.show_id = $1 and h.hold_no = $2"),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(durable_hold).transpose()
}

/// What the same request made before, or else a hold for which the user used the same key within
/// this time.
///
/// # Errors
/// When the table cannot be read.
pub async fn hold_find_earlier<C: ConnectionTrait>(
    conn: &C,
    new: &NewHold<'_>,
    remember: Duration,
) -> Result<Option<DurableHold>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!(
                "from booking.holds h
                where (h.show_id = $1 and h.hold_no = $2)
                   or (h.user_id = $3 and h.key_digest = $4
                       and h.created_at > clock_timestamp() - $5::double precision * interval '1 second')
                order by h.show_id = $1 and h.hold_no = $2 desc
                limit 1"
            ),
            [
                new.id.show().uuid().into(),
                new.id.local_i64().into(),
                new.owner.uuid().into(),
                new.key_digest.into(),
                remember.as_secs_f64().into(),
            ],
        ))
        .await?;
    row.as_ref().map(durable_hold).transpose()
}

/// Lets one transaction at a time give durable holds to this user, until its end: so that each
/// counts what the others gave. `false` when another does.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn hold_lock_user<C: ConnectionTrait>(conn: &C, user: UserId) -> Result<bool, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select pg_try_advisory_xact_lock(hashtextextended('marquee:holds:' || $1, 0)) as locked",
            [user.to_string().into()],
        ))
        .await?;
    Ok(row.map_or(Ok(false), |row| row.try_get("", "locked"))?)
}

/// A durable hold that is wanted.
#[derive(Debug, Clone)]
pub struct NewHold<'a> {
    /// Its id.
    pub id: HoldId,
    /// Who holds.
    pub owner: UserId,
    /// Which seats, ascending.
    pub seats: &'a [u16],
    /// A short stand-in for the idempotency key.
    pub key_digest: &'a str,
    /// The same for all that is asked for.
    pub request_digest: &'a str,
    /// How long it lives.
    pub ttl: Duration,
}

/// What became of a [`NewHold`]. Unless `Done`, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It lives.
    Done(Hold),
    /// Somebody has one of the seats.
    SeatsTaken,
    /// The same request made it before.
    Earlier,
    /// The hold that Redis gave to the same request is a booking.
    Booked,
}

/// Inserts a hold, its seats in ascending order and its audit entry, in one statement.
///
/// # Errors
/// When the tables cannot be written.
pub async fn hold_insert<C: ConnectionTrait>(
    conn: &C,
    new: &NewHold<'_>,
    cause: &Cause,
) -> Result<Inserted, StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let answer = conn
        .query_one_raw(with_bugs(sql(
            concat!(
                "with held as (
                     insert into booking.holds
                         (show_id, hold_no, user_id, key_digest, request_digest, status, version,
                          told_version, seats, created_at, expires_at, updated_at)
                     select $1, $2, $3, $4, $5, 'HELD', 1, 0, $6, t.now,
                            t.now + $7::double precision * interval '1 second', t.now
                       from (select clock_timestamp() as now) t
                      where not exists (select 1 from booking.bookings
                                         where show_id = $1 and hold_no = $12)
                     returning show_id, hold_no, seats, created_at, expires_at
                 ), seated as (
                     insert into booking.seat_allocations (show_id, seat_no, hold_no, held_until, sold)
                     select h.show_id, s.seat_no, h.hold_no, h.expires_at, false
                       from held h, unnest(h.seats) as s(seat_no)
                      order by s.seat_no
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'HOLD', hold_no, null, null, 'HELD', seats, $8, $9, $10, $11 from held
                 )
                 select created_at, expires_at from held"
            ),
            [
                new.id.show().uuid().into(),
                new.id.local_i64().into(),
                new.owner.uuid().into(),
                new.key_digest.into(),
                new.request_digest.into(),
                decode::seat_columns(new.seats)?.into(),
                new.ttl.as_secs_f64().into(),
                kind,
                actor,
                reason,
                trace,
                twin(new.id).local_i64().into(),
            ],
        )))
        .await;
    match answer {
        Ok(Some(row)) => Ok(Inserted::Done(Hold {
            id: new.id,
            owner: new.owner,
            seats: new.seats.to_vec(),
            created_at: row.try_get("", "created_at")?,
            expires_at: row.try_get("", "expires_at")?,
        })),
        Ok(None) => Ok(Inserted::Booked),
        Err(error) if platform::pg::is_unique_violation(&error, "seat_allocations_pkey") => {
            Ok(Inserted::SeatsTaken)
        }
        Err(error) if platform::pg::is_unique_violation(&error, "holds_pkey") => Ok(Inserted::Earlier),
        Err(error) => Err(error.into()),
    }
}

/// Lets a hold of `owner` that lives do so for `ttl` from now, but no longer than `longest` since
/// it was made. `None` when it does not live, or lives as long as it may.
///
/// # Errors
/// When the tables cannot be written.
pub async fn hold_extend<C: ConnectionTrait>(
    conn: &C,
    id: HoldId,
    owner: UserId,
    ttl: Duration,
    longest: Duration,
) -> Result<Option<DurableHold>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with h as (
                     update booking.holds
                        set expires_at = greatest(expires_at, least(
                                clock_timestamp() + $4::double precision * interval '1 second',
                                created_at + $5::double precision * interval '1 second')),
                            version = version + 1, updated_at = clock_timestamp()
                      where show_id = $1 and hold_no = $2 and user_id = $3
                        and status = 'HELD' and expires_at > clock_timestamp()
                        and expires_at < created_at + $5::double precision * interval '1 second'
                     returning *
                 ), moved as (
                     update booking.seat_allocations a
                        set held_until = h.expires_at
                       from h
                      where a.show_id = h.show_id and a.seat_no = any(h.seats) and a.hold_no = h.hold_no
                 ) ",
                select!("from h")
            ),
            [
                id.show().uuid().into(),
                id.local_i64().into(),
                owner.uuid().into(),
                ttl.as_secs_f64().into(),
                longest.as_secs_f64().into(),
            ],
        ))
        .await?;
    row.as_ref().map(durable_hold).transpose()
}

/// Which holds may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Those of this owner that live: they are given back.
    Released(UserId),
    /// Those whose time is over.
    Expired,
    /// All: somebody outranks them.
    Lost,
}

impl Ending {
    const fn end(self) -> HoldEnd {
        match self {
            Self::Released(_) => HoldEnd::Released,
            Self::Expired => HoldEnd::Expired,
            Self::Lost => HoldEnd::Lost,
        }
    }
}

/// Ends those of these holds of one show that may end so, in one statement: their seats are free,
/// and the audit entries are there. Tells which they were.
///
/// # Errors
/// When the tables cannot be written.
pub async fn hold_end<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    holds: &[HoldId],
    ending: Ending,
    cause: &Cause,
) -> Result<Vec<DurableHold>, StoreError> {
    if holds.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = holds.iter().map(|hold| hold.local_i64()).collect();
    let [kind, actor, reason, trace] = values(cause);
    let (owner, overdue) = match ending {
        Ending::Released(owner) => (Some(owner.uuid()), Some(false)),
        Ending::Expired => (None, Some(true)),
        Ending::Lost => (None, None),
    };
    let rows = conn
        .query_all_raw(sql(
            concat!(
                "with picked as (
                     select show_id, hold_no
                       from booking.holds
                      where show_id = $1 and hold_no = any($2) and status = 'HELD'
                        and ($4::uuid is null or user_id = $4)
                        and ($5::boolean is null or $5 = (expires_at <= clock_timestamp()))
                      order by hold_no
                        for update
                 ), h as (
                     update booking.holds h
                        set status = $3, version = h.version + 1, updated_at = clock_timestamp()
                       from picked p
                      where h.show_id = p.show_id and h.hold_no = p.hold_no
                     returning h.*
                 ), freed as (
                     delete from booking.seat_allocations a
                      using h
                      where a.show_id = h.show_id and a.seat_no = any(h.seats) and a.hold_no = h.hold_no
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'HOLD', hold_no, null, 'HELD', status, seats, $6, $7, $8, $9 from h
                 ) ",
                select!("from h")
            ),
            [
                show.uuid().into(),
                numbers.into(),
                HoldState::from(ending.end()).as_str().into(),
                owner.into(),
                overdue.into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    rows.iter().map(durable_hold).collect()
}

/// Ends a hold that lives because `booking` takes its place in this transaction. `false` when it
/// does not live.
///
/// # Errors
/// When the tables cannot be written; [`StoreError::Stale`] when the hold does not have its seats.
pub async fn hold_consume<C: ConnectionTrait>(
    conn: &C,
    id: HoldId,
    booking: BookingId,
    cause: &Cause,
) -> Result<bool, StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with h as (
                     update booking.holds
                        set status = 'CONSUMED', version = version + 1, updated_at = clock_timestamp()
                      where show_id = $1 and hold_no = $2
                        and status = 'HELD' and expires_at > clock_timestamp()
                     returning *
                 ), freed as (
                     delete from booking.seat_allocations a
                      using h
                      where a.show_id = h.show_id and a.seat_no = any(h.seats) and a.hold_no = h.hold_no
                     returning a.seat_no
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'HOLD', hold_no, $3, 'HELD', status, seats, $4, $5, $6, $7 from h
                 )
                 select cardinality(h.seats)::bigint as seats, (select count(*) from freed) as freed from h"
            ),
            [
                id.show().uuid().into(),
                id.local_i64().into(),
                booking.local_i64().into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    let Some(row) = row else { return Ok(false) };
    let (seats, freed): (i64, i64) = (row.try_get("", "seats")?, row.try_get("", "freed")?);
    StoreError::expect_rows(freed.unsigned_abs(), seats.unsigned_abs())?;
    Ok(true)
}
