//! Messages to people: what is to be sent, what was sent, what was given up.

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::{EventId, UserId};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{recipient::Recipient, sql};

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
    // All null or none, as the person is known or not.
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
}

impl Delivery {
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
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "INSERT INTO notification.deliveries
             (user_id, event_id, channel, kind, facts, state, attempts, next_attempt_at, created_at)
         VALUES ($1, $2, $3, $4, $5, 'PENDING', 0, $6, $6)
         ON CONFLICT DO NOTHING",
        [
            user.uuid().into(),
            event.id.uuid().into(),
            EMAIL.into(),
            event.name.as_str().into(),
            event.body.clone().into(),
            now.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Takes on up to `limit` deliveries that are due, the longest waiting first, each with what is
/// known of its recipient: one statement, so that nothing is left half taken on. Until `lost_at` no
/// other worker takes them; after that, this worker counts as dead.
pub(crate) async fn delivery_claim<C: ConnectionTrait>(
    conn: &C,
    limit: usize,
    now: DateTime<Utc>,
    lost_at: DateTime<Utc>,
) -> Result<Vec<Delivery>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // The reason of the last failure is cleared, so that `delivery_retry_for` leaves what is
    // under way alone.
    Delivery::find_by_statement(sql(
        "WITH due AS (
             SELECT user_id, event_id, channel FROM notification.deliveries
             WHERE state = 'PENDING' AND next_attempt_at <= $1
             ORDER BY next_attempt_at LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE notification.deliveries AS d
         SET attempts = attempts + 1, next_attempt_at = $3, last_error = NULL
         FROM due LEFT JOIN notification.recipients AS r ON r.user_id = due.user_id
         WHERE (d.user_id, d.event_id, d.channel) = (due.user_id, due.event_id, due.channel)
         RETURNING d.user_id, d.event_id, d.channel, d.kind, d.facts, d.attempts, d.created_at,
             r.email, r.name, r.locale",
        [now.into(), limit.into(), lost_at.into()],
    ))
    .all(conn)
    .await
}

/// Notes that a message was sent.
pub(crate) async fn delivery_sent<C: ConnectionTrait>(
    conn: &C,
    delivery: &Delivery,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "UPDATE notification.deliveries SET state = 'SENT', settled_at = $4
         WHERE user_id = $1 AND event_id = $2 AND channel = $3 AND state = 'PENDING'",
        [delivery.user_id.into(), delivery.event_id.into(), delivery.channel.as_str().into(), now.into()],
    ))
    .await?;
    Ok(())
}

/// Notes that an attempt failed: to be tried again at `retry_at`, or never. Does nothing when
/// another worker has taken the delivery on since.
pub(crate) async fn delivery_failed<C: ConnectionTrait>(
    conn: &C,
    delivery: &Delivery,
    error: &str,
    retry_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let settled_at = retry_at.is_none().then_some(now);
    conn.execute_raw(sql(
        "UPDATE notification.deliveries
         SET state = CASE WHEN $6::timestamptz IS NULL THEN 'PENDING' ELSE 'GAVE_UP' END,
             next_attempt_at = COALESCE($5, next_attempt_at), settled_at = $6, last_error = $7
         WHERE user_id = $1 AND event_id = $2 AND channel = $3 AND attempts = $4
             AND state = 'PENDING'",
        [
            delivery.user_id.into(),
            delivery.event_id.into(),
            delivery.channel.as_str().into(),
            delivery.attempts.into(),
            retry_at.into(),
            settled_at.into(),
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
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let done = conn
        .execute_raw(sql(
            "UPDATE notification.deliveries
             SET state = 'PENDING', attempts = 0, next_attempt_at = $3, settled_at = NULL
             WHERE user_id = $1 AND state IN ('PENDING', 'GAVE_UP') AND last_error = $2",
            [user.uuid().into(), error.into(), now.into()],
        ))
        .await?;
    Ok(done.rows_affected())
}

/// Makes all deliveries due that were given up since `since`, and tells how many.
pub(crate) async fn delivery_replay<C: ConnectionTrait>(
    conn: &C,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let done = conn
        .execute_raw(sql(
            "UPDATE notification.deliveries
             SET state = 'PENDING', attempts = 0, next_attempt_at = $2, settled_at = NULL
             WHERE state = 'GAVE_UP' AND settled_at >= $1",
            [since.into(), now.into()],
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
