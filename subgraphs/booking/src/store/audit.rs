//! `booking.audit`: the append-only record of every change of state.
//!
//! The statements that change a state write their entry themselves: they take a [`Cause`], put
//! its [`values`] last and insert into [`audit_columns`] whatever they changed.

use chrono::{DateTime, Utc};
use kernel::{BookingId, FindingId, HoldId, PaymentId, RefundId, ShowId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Value};
use serde_json::json;

use super::{StoreError, decode, sql};
use crate::domain::audit::{
    Actor, ActorKind, Cause, ChallengeState, Change, Entity, Entry, FindingState, HoldState, Reason,
    Recorded, trace_id,
};
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{PaymentStatus, RefundStatus};
use crate::domain::show::ShowStatus;

/// `insert into booking.audit` with the columns that every writer fills, in this order; the last
/// four are [`values`].
macro_rules! audit_columns {
    () => {
        "insert into booking.audit
             (show_id, entity, entity_no, booking_no, from_state, to_state, seats,
              actor_kind, actor, reason, trace_id) "
    };
}
pub(super) use audit_columns;

/// The parameters that say who, why, and in which trace: kind of the actor, actor, reason, trace id.
pub(super) fn values(cause: &Cause) -> [Value; 4] {
    [
        cause.actor.kind().as_str().into(),
        cause.actor.name().into_owned().into(),
        cause.reason.as_str().into(),
        current_trace_id().into(),
    ]
}

fn current_trace_id() -> Option<String> {
    platform::telemetry::current_trace().as_deref().and_then(trace_id).map(str::to_owned)
}

/// Appends entries in their order, in one statement: in the transaction of the changes, where
/// these have no statement that does it itself.
///
/// # Errors
/// When the table cannot be written.
pub async fn audit_append<C: ConnectionTrait>(conn: &C, entries: &[Entry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    // One document: an array of arrays of seats would have to be a rectangle.
    let rows = entries.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    conn.execute_raw(sql(
        concat!(
            audit_columns!(),
            "select show_id, entity, entity_no, booking_no, from_state, to_state, seats,
                    actor_kind, actor, reason, $2
               from rows from (jsonb_to_recordset($1) as
                        (show_id uuid, entity text, entity_no bigint, booking_no bigint, from_state text,
                         to_state text, seats smallint[], actor_kind text, actor text, reason text))
                    with ordinality
              order by ordinality"
        ),
        [serde_json::Value::Array(rows).into(), current_trace_id().into()],
    ))
    .await?;
    Ok(())
}

fn row(Entry { change, seats, cause }: &Entry) -> Result<serde_json::Value, StoreError> {
    Ok(json!({
        "show_id": change.show().uuid(),
        "entity": change.entity().as_str(),
        "entity_no": entity_no(change),
        "booking_no": change.booking().map(BookingId::local_i64),
        "from_state": change.from(),
        "to_state": change.to(),
        "seats": decode::seat_columns(seats)?,
        "actor_kind": cause.actor.kind().as_str(),
        "actor": cause.actor.name(),
        "reason": cause.reason.as_str(),
    }))
}

fn entity_no(change: &Change) -> Option<i64> {
    match change {
        Change::Booking { id, .. } => Some(id.local_i64()),
        Change::Payment { id, .. } => Some(id.local_i64()),
        Change::Refund { id, .. } => Some(id.local_i64()),
        Change::Hold { id, .. } => Some(id.local_i64()),
        Change::Show { .. } | Change::Challenge { .. } => None,
        Change::Finding { id, .. } => Some(id.local_i64()),
    }
}

/// Which entries are wanted.
#[derive(Debug, Clone, Copy)]
pub struct AuditFilter {
    /// Of this show.
    pub show: ShowId,
    /// Only of this booking of it.
    pub booking: Option<BookingId>,
    /// Only those that are about this seat.
    pub seat: Option<u16>,
}

/// A query of what a filter lets through. A text for each case, so that each is planned with the
/// index that fits it.
macro_rules! filtered {
    ($select:literal, $booking:literal, $rest:literal) => {
        concat!(
            $select,
            "from booking.audit where show_id = $1 and ",
            $booking,
            " and ($3::smallint is null or $3 = any(seats))",
            $rest
        )
    };
    ($filter:expr, $select:literal, $rest:literal) => {
        match $filter.booking {
            Some(_) => filtered!($select, "booking_no = $2", $rest),
            None => filtered!($select, "$2::bigint is null", $rest),
        }
    };
}

#[derive(FromQueryResult)]
struct Row {
    audit_no: i64,
    recorded_at: DateTime<Utc>,
    entity: String,
    entity_no: Option<i64>,
    booking_no: Option<i64>,
    from_state: Option<String>,
    to_state: String,
    seats: Vec<i16>,
    actor_kind: String,
    actor: String,
    reason: String,
    trace_id: Option<String>,
}

/// Up to `limit` entries, newest first: those before the entry of number `before`, if given.
///
/// # Errors
/// When the table cannot be read.
pub async fn audit_list<C: ConnectionTrait>(
    conn: &C,
    filter: AuditFilter,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<Recorded>, StoreError> {
    let [show, booking, seat] = filter_values(filter)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let before = before.unwrap_or(i64::MAX);
    let text = filtered!(
        filter,
        "select audit_no, recorded_at, entity, entity_no, booking_no, from_state, to_state, seats,
                actor_kind, actor, reason, trace_id ",
        " and audit_no < $4 order by audit_no desc limit $5"
    );
    let rows = conn.query_all_raw(sql(text, [show, booking, seat, before.into(), limit.into()])).await?;
    rows.iter().map(|row| recorded(filter.show, row)).collect()
}

/// How many entries there are.
///
/// # Errors
/// When the table cannot be read.
pub async fn audit_count<C: ConnectionTrait>(conn: &C, filter: AuditFilter) -> Result<i64, StoreError> {
    let text = filtered!(filter, "select count(*) as count ", "");
    let row = conn.query_one_raw(sql(text, filter_values(filter)?)).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "count"))?)
}

fn filter_values(filter: AuditFilter) -> Result<[Value; 3], StoreError> {
    let seat = filter.seat.map(decode::seat_column).transpose()?;
    Ok([filter.show.uuid().into(), filter.booking.map(BookingId::local_i64).into(), seat.into()])
}

fn recorded(show: ShowId, row: &QueryResult) -> Result<Recorded, StoreError> {
    let row = Row::from_query_result(row, "")?;
    let kind = ActorKind::parse(&row.actor_kind);
    let actor = kind
        .and_then(|kind| Actor::parse(kind, row.actor.clone()))
        .ok_or_else(|| StoreError::corrupt("actor", format!("{} {}", row.actor_kind, row.actor)))?;
    let reason = Reason::parse(&row.reason).ok_or_else(|| StoreError::corrupt("reason", &row.reason))?;
    let change = change(show, &row).ok_or_else(|| StoreError::corrupt("audit entry", row.audit_no))?;
    Ok(Recorded {
        number: row.audit_no,
        time: row.recorded_at,
        entry: Entry {
            change,
            seats: row.seats.into_iter().map(decode::seat_no).collect::<Result<_, _>>()?,
            cause: Cause { actor, reason },
        },
        trace: row.trace_id,
    })
}

fn change(show: ShowId, row: &Row) -> Option<Change> {
    /// `None` when a state cannot be parsed.
    fn states<S>(row: &Row, parse: fn(&str) -> Option<S>) -> Option<(Option<S>, S)> {
        let from = match &row.from_state {
            None => None,
            Some(from) => Some(parse(from)?),
        };
        Some((from, parse(&row.to_state)?))
    }
    let booking = row.booking_no.map(|number| BookingId::from_db(show.uuid(), number));
    Some(match Entity::parse(&row.entity)? {
        Entity::Booking => {
            let (from, to) = states(row, BookingStatus::parse)?;
            Change::Booking { id: booking?, from, to }
        }
        Entity::Payment => {
            let (from, to) = states(row, PaymentStatus::parse)?;
            let id = PaymentId::from_db(show.uuid(), row.entity_no?);
            Change::Payment { id, booking: booking?, from, to }
        }
        Entity::Refund => {
            let (from, to) = states(row, RefundStatus::parse)?;
            let id = RefundId::from_db(show.uuid(), row.entity_no?);
            Change::Refund { id, booking: booking?, from, to }
        }
        Entity::Hold => {
            let (from, to) = states(row, HoldState::parse)?;
            Change::Hold { id: HoldId::from_db(show.uuid(), row.entity_no?), booking, from, to }
        }
        Entity::Show => {
            let (from, to) = states(row, ShowStatus::parse)?;
            Change::Show { id: show, from, to }
        }
        Entity::Finding => {
            let (from, to) = states(row, FindingState::parse)?;
            let id = FindingId::from_db(show.uuid(), row.entity_no?);
            Change::Finding { id, booking: booking?, from, to }
        }
        Entity::Challenge => {
            let (from, to) = states(row, ChallengeState::parse)?;
            Change::Challenge { id: show, from, to }
        }
    })
}
