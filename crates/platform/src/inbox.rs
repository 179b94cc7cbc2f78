//! The inbox: each consumer applies each event once.
//!
//! Events arrive at least once. A consumer records the event's id in its schema's `inbox` table
//! in the transaction that carries the effect; the primary key decides which delivery was first.

use chrono::{DateTime, Utc};
use events::Envelope;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::faults;

/// Records that `consumer` has applied `event`. True the first time: go on and apply it, in the
/// same transaction. False: the effect is already there, so acknowledge and do nothing.
///
/// Two deliveries of the same event at the same time are safe: the second waits for the first
/// transaction, then gets false if it committed and true if it did not.
///
/// # Errors
/// Whatever the database says; roll back and let the message come again.
pub async fn record<C: ConnectionTrait>(
    conn: &C,
    schema: &'static str,
    consumer: &str,
    event: &Envelope,
) -> Result<bool, DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "insert into {schema}.inbox (key, consumer, event_id) values ($1, $2, $3) \
             on conflict do nothing"
        ),
        [event.key.into(), consumer.into(), event.id.uuid().into()],
    );
    let is_new = conn.execute_raw(statement).await?.rows_affected() == 1;
    Ok(is_new || faults::mutant("no_inbox"))
}

/// Forgets up to `limit` events recorded before `time`, and tells how many. The time must lie
/// further back than any message can be redelivered from, dead letters included.
///
/// # Errors
/// Whatever the database says.
pub async fn purge<C: ConnectionTrait>(
    conn: &C,
    schema: &'static str,
    time: DateTime<Utc>,
    limit: u32,
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "delete from {schema}.inbox where (key, consumer, event_id) in \
             (select key, consumer, event_id from {schema}.inbox where received_at < $1 limit $2)"
        ),
        [time.into(), i64::from(limit).into()],
    );
    Ok(conn.execute_raw(statement).await?.rows_affected())
}
