//! The outbox: an event is published if and only if the transaction that caused it committed.
//!
//! A use case appends its events to its schema's `outbox` table in its own transaction. The relay
//! ([`relay`]) publishes the rows in order and deletes those that the broker has confirmed. A
//! crash in between publishes again, so events can be duplicated but never lost; consumers use
//! [`crate::inbox`].

mod gauges;
mod line;
mod relay;
mod row;
mod table;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use events::Envelope;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tokio::sync::Notify;

pub use relay::relay;

/// Columns of one row, and so parameters; PostgreSQL takes at most 65,535 in a statement.
const COLUMNS: usize = 7;
const ROWS_PER_STATEMENT: usize = 1_000;

/// Appends an event, in the transaction of the change that it tells of. After the commit call
/// [`wake`]. An event without a trace gets the one of the work at hand.
///
/// # Errors
/// Whatever the database says.
pub async fn append<C: ConnectionTrait>(
    conn: &C,
    schema: &'static str,
    event: &Envelope,
) -> Result<(), DbErr> {
    append_all(conn, schema, std::slice::from_ref(event)).await
}

/// Appends events in their order, in one statement for each thousand.
///
/// # Errors
/// Whatever the database says.
pub async fn append_all<C: ConnectionTrait>(
    conn: &C,
    schema: &'static str,
    events: &[Envelope],
) -> Result<(), DbErr> {
    for events in events.chunks(ROWS_PER_STATEMENT) {
        let mut values = Vec::with_capacity(events.len() * COLUMNS);
        for event in events {
            values.extend(columns(event));
        }
        let sql = insert_sql(schema, events.len());
        conn.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    }
    Ok(())
}

/// What a row of the table has, as `(key, event_id, name, version, time, trace, body)`, for statements that
/// append an event beside other things. An event without a trace gets the present one.
pub fn columns(event: &Envelope) -> [Value; COLUMNS] {
    [
        event.key.into(),
        event.id.uuid().into(),
        event.name.as_str().into(),
        i32::from(event.version).into(),
        event.time.into(),
        event.trace.clone().or_else(crate::telemetry::current_trace).into(),
        event.body.clone().into(),
    ]
}

fn insert_sql(schema: &str, rows: usize) -> String {
    use std::fmt::Write;

    let mut sql =
        format!("insert into {schema}.outbox (key, event_id, name, version, time, trace, body) values ");
    for row in 0..rows {
        let first = row * COLUMNS;
        let comma = if row == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(
            sql,
            "{comma}(${}, ${}, ${}, ${}, ${}, ${}, ${})",
            first + 1,
            first + 2,
            first + 3,
            first + 4,
            first + 5,
            first + 6,
            first + 7
        );
    }
    sql
}

/// Tells this process's relay of `schema` that there is something to publish. Only a hint that
/// saves up to a fifth of a second: the relay polls anyway, and finds what other processes wrote.
pub fn wake(schema: &'static str) {
    waker(schema).notify_one();
}

/// Whom [`wake`] wakes. Global because those who commit know nothing of the relay, which may not
/// even run in this process; it carries no state that anything depends on.
fn waker(schema: &'static str) -> Arc<Notify> {
    static WAKERS: LazyLock<Mutex<HashMap<&'static str, Arc<Notify>>>> = LazyLock::new(Mutex::default);
    let mut wakers = WAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(wakers.entry(schema).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_for_many_rows() {
        assert_eq!(
            insert_sql("booking", 2),
            "insert into booking.outbox (key, event_id, name, version, time, trace, body) values \
             ($1, $2, $3, $4, $5, $6, $7), ($8, $9, $10, $11, $12, $13, $14)"
        );
    }
}
