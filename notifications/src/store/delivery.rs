//! Messages to people: what is to be sent, what was sent, what was given up.
//!
//! What is due, and when, the clock of the database decides (`notification.now()`): a worker whose own
//! clock is wrong neither holds messages back nor takes them from others.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::{EventId, UserId};
use platform::telemetry::current_trace;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{recipient::Recipient, sql};
use crate::app::{GivenUp, Which};

/// A channel that messages go over.
pub(crate) const EMAIL: &str = "EMAIL";

/// A delivery that this worker has taken on.
#[derive(FromQueryResult)]
pub(crate) struct Delivery {
    user_id: Uuid,
    event_id: Uuid,
    channel: String,
    pub kind: String,
    pub facts: serde_json::Value,
    attempts: i32,
    pub created_at: DateTime<Utc>,
    /// On behalf of what, as a `traceparent`.
    pub trace: Option<String>,
    // All null or none, as the person is known or not.
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
}

/// The key of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromQueryResult)]
pub(crate) struct Place {
    user_id: Uuid,
    event_id: Uuid,
    channel: String,
}

impl Delivery {
    /// Which one it is.
    pub fn place(&self) -> Place {
        Place { user_id: self.user_id, event_id: self.event_id, channel: self.channel.clone() }
    }

    /// Where and how to reach the person, when that is known.
    pub fn recipient(&self) -> Option<Recipient<'_>> {
        Some(Recipient {
            email: self.email.as_deref()?,
            name: self.name.as_deref()?,
            locale: self.locale.as_deref()?,
        })
    }

    /// Because of which event.
    pub const fn event(&self) -> EventId {
        EventId::from_uuid(self.event_id)
    }

    /// How often it was tried, with the attempt at hand.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.attempts).unwrap_or(0)
    }
}

/// Adds a message by email to `user` about `event`, due at once.
pub(crate) async fn delivery_insert<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    event: &Envelope,
) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "INSERT INTO notification.deliveries
             (user_id, event_id, channel, kind, facts, trace, state, attempts, next_attempt_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'PENDING', 0, notification.now(), notification.now())
         ON CONFLICT DO NOTHING",
        [
            user.uuid().into(),
            event.id.uuid().into(),
            EMAIL.into(),
            event.name.as_str().into(),
            event.body.clone().into(),
            current_trace().into(),
        ],
    ))
    .await?;
    Ok(())
}

/// The same, unless `consumer` has taken `event` in before: that is noted by the same statement. `true`
/// the first time.
pub(crate) async fn delivery_receive<C: ConnectionTrait>(
    conn: &C,
    consumer: &str,
    user: UserId,
    event: &Envelope,
) -> Result<bool, DbErr> {
    let done = conn
        .execute_raw(sql(
            "WITH received AS (
                 INSERT INTO notification.inbox (key, consumer, event_id) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING
                 RETURNING event_id
             )
             INSERT INTO notification.deliveries
                 (user_id, event_id, channel, kind, facts, trace, state, attempts, next_attempt_at, created_at)
             SELECT $4, event_id, $5, $6, $7::jsonb, $8, 'PENDING', 0, notification.now(), notification.now()
             FROM received
             ON CONFLICT DO NOTHING",
            [
                event.key.into(),
                consumer.into(),
                event.id.uuid().into(),
                user.uuid().into(),
                EMAIL.into(),
                event.name.as_str().into(),
                event.body.clone().into(),
                current_trace().into(),
            ],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes on up to `limit` deliveries that are due, the longest waiting first, each with what is
/// known of its recipient: one statement, so that nothing is left half taken on. For the `lease` no
/// other worker takes them; after that, this worker counts as dead.
pub(crate) async fn delivery_claim<C: ConnectionTrait>(
    conn: &C,
    limit: usize,
    lease: Duration,
) -> Result<Vec<Delivery>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // The reason of the last failure is cleared, so that `delivery_retry_for` leaves what is
    // under way alone.
    Delivery::find_by_statement(sql(
        "WITH due AS (
             SELECT user_id, event_id, channel FROM notification.deliveries
             WHERE state = 'PENDING' AND next_attempt_at <= notification.now()
             ORDER BY next_attempt_at LIMIT $1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE notification.deliveries AS d
         SET attempts = attempts + 1, last_error = NULL,
             next_attempt_at = notification.now() + $2::double precision * interval '1 second'
         FROM due LEFT JOIN notification.recipients AS r ON r.user_id = due.user_id
         WHERE (d.user_id, d.event_id, d.channel) = (due.user_id, due.event_id, due.channel)
         RETURNING d.user_id, d.event_id, d.channel, d.kind, d.facts, d.attempts, d.created_at,
             d.trace, r.email, r.name, r.locale",
        [limit.into(), lease.as_secs_f64().into()],
    ))
    .all(conn)
    .await
}

/// Notes that these messages were sent, and tells of each how long that took since its event came;
/// nothing of those that were noted before.
pub(crate) async fn deliveries_sent<C: ConnectionTrait>(
    conn: &C,
    places: &[Place],
) -> Result<HashMap<Place, Duration>, DbErr> {
    let users: Vec<Uuid> = places.iter().map(|place| place.user_id).collect();
    let events: Vec<Uuid> = places.iter().map(|place| place.event_id).collect();
    let channels: Vec<String> = places.iter().map(|place| place.channel.clone()).collect();
    let rows = conn
        .query_all_raw(sql(
            "UPDATE notification.deliveries AS d SET state = 'SENT', settled_at = notification.now()
             FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS sent (user_id, event_id, channel)
             WHERE (d.user_id, d.event_id, d.channel) = (sent.user_id, sent.event_id, sent.channel)
                 AND d.state = 'PENDING'
             RETURNING d.user_id, d.event_id, d.channel,
                 extract(epoch FROM d.settled_at - d.created_at)::double precision AS age",
            [users.into(), events.into(), channels.into()],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let age: f64 = row.try_get("", "age")?;
            let age = Duration::try_from_secs_f64(age).unwrap_or_default();
            Ok((Place::from_query_result(row, "")?, age))
        })
        .collect()
}

/// Notes that an attempt failed: to be tried again after `delay`, or never. Does nothing when
/// another worker has taken the delivery on since.
pub(crate) async fn delivery_failed<C: ConnectionTrait>(
    conn: &C,
    delivery: &Delivery,
    error: &str,
    delay: Option<Duration>,
) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "UPDATE notification.deliveries
         SET state = CASE WHEN $5::double precision IS NULL THEN 'GAVE_UP' ELSE 'PENDING' END,
             next_attempt_at = COALESCE(notification.now() + $5 * interval '1 second', next_attempt_at),
             settled_at = CASE WHEN $5 IS NULL THEN notification.now() END, last_error = $6
         WHERE user_id = $1 AND event_id = $2 AND channel = $3 AND attempts = $4
             AND state = 'PENDING'",
        [
            delivery.user_id.into(),
            delivery.event_id.into(),
            delivery.channel.as_str().into(),
            delivery.attempts.into(),
            delay.map(|delay| delay.as_secs_f64()).into(),
            error.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Makes those deliveries to `user` due that failed for this reason, given up or not.
pub(crate) async fn delivery_retry_for<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    error: &str,
) -> Result<u64, DbErr> {
    let done = conn
        .execute_raw(sql(
            "UPDATE notification.deliveries
             SET state = 'PENDING', attempts = 0, next_attempt_at = notification.now(), settled_at = NULL
             WHERE user_id = $1 AND state IN ('PENDING', 'GAVE_UP') AND last_error = $2",
            [user.uuid().into(), error.into()],
        ))
        .await?;
    Ok(done.rows_affected())
}

#[derive(FromQueryResult)]
struct GivenUpRow {
    user_id: Uuid,
    event_id: Uuid,
    kind: String,
    attempts: i32,
    created_at: DateTime<Utc>,
    settled_at: DateTime<Utc>,
    last_error: Option<String>,
}

/// Deliveries that were given up, at most `limit`, the latest first.
pub(crate) async fn delivery_list_given_up<C: ConnectionTrait>(
    conn: &C,
    limit: u32,
) -> Result<Vec<GivenUp>, DbErr> {
    let rows = GivenUpRow::find_by_statement(sql(
        "SELECT user_id, event_id, kind, attempts, created_at, settled_at, last_error
         FROM notification.deliveries WHERE state = 'GAVE_UP'
         ORDER BY settled_at DESC, event_id LIMIT $1",
        [i64::from(limit).into()],
    ))
    .all(conn)
    .await?;
    let given_up = rows.into_iter().map(|row| GivenUp {
        event: EventId::from_uuid(row.event_id),
        user: UserId::from_uuid(row.user_id),
        kind: row.kind,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        created_at: row.created_at,
        given_up_at: row.settled_at,
        reason: row.last_error,
    });
    Ok(given_up.collect())
}

/// How many deliveries were given up.
pub(crate) async fn delivery_count_given_up<C: ConnectionTrait>(conn: &C) -> Result<u64, DbErr> {
    let count = "SELECT count(*) AS given_up FROM notification.deliveries WHERE state = 'GAVE_UP'";
    let row = conn.query_one_raw(sql(count, [])).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "given_up"))?;
    Ok(count.unsigned_abs())
}

/// Makes these deliveries due that were given up, and tells how many.
pub(crate) async fn delivery_retry_given_up<C: ConnectionTrait>(
    conn: &C,
    which: Which,
) -> Result<u64, DbErr> {
    let (event, within) = match which {
        Which::Event(event) => (Some(event.uuid()), None),
        Which::Within(time) => (None, Some(time.as_secs_f64())),
    };
    let done = conn
        .execute_raw(sql(
            "UPDATE notification.deliveries
             SET state = 'PENDING', attempts = 0, next_attempt_at = notification.now(), settled_at = NULL
             WHERE state = 'GAVE_UP' AND ($1::uuid IS NULL OR event_id = $1)
                 AND ($2::double precision IS NULL
                     OR settled_at >= notification.now() - $2 * interval '1 second')",
            [event.into(), within.into()],
        ))
        .await?;
    Ok(done.rows_affected())
}

/// Forgets up to `limit` deliveries that were settled before `time`, and tells how many.
pub(crate) async fn delivery_purge<C: ConnectionTrait>(
    conn: &C,
    time: DateTime<Utc>,
    limit: u32,
) -> Result<u64, DbErr> {
    let done = conn
        .execute_raw(sql(
            "DELETE FROM notification.deliveries
             WHERE (user_id, event_id, channel) IN (
                 SELECT user_id, event_id, channel FROM notification.deliveries
                 WHERE state IN ('SENT', 'GAVE_UP') AND settled_at < $1 LIMIT $2
             )",
            [time.into(), i64::from(limit).into()],
        ))
        .await?;
    Ok(done.rows_affected())
}
