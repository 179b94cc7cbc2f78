//! What every service's schema has for its events: the outbox and the inbox.
//!
//! Both have the ordering key of their events (the show, on the booking side) first in the
//! primary key, so that they can be distributed with the tables that they share transactions with.

use sea_orm_migration::prelude::*;

/// Creates the schema itself, its `outbox` and its `inbox`. For the first migration of a service.
///
/// # Errors
/// Whatever the database says.
pub async fn create(manager: &SchemaManager<'_>, schema: &str) -> Result<(), DbErr> {
    let sql = format!(
        r#"
CREATE SCHEMA IF NOT EXISTS {schema};

-- Events that are committed and not yet published. Short-lived rows, read in the order of `seq`.
CREATE TABLE {schema}.outbox (
    key      uuid        NOT NULL,
    seq      bigint      GENERATED ALWAYS AS IDENTITY,
    event_id uuid        NOT NULL,
    name     text        NOT NULL,
    version  smallint    NOT NULL,
    time     timestamptz NOT NULL,
    trace    text,
    body     jsonb       NOT NULL,
    PRIMARY KEY (key, seq)
);
CREATE INDEX outbox_in_order ON {schema}.outbox (seq);
-- A queue in a table: without frequent vacuum its dead rows are read again and again.
ALTER TABLE {schema}.outbox SET (
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

-- Events that a consumer has applied, written in the transaction that applied them.
CREATE TABLE {schema}.inbox (
    key         uuid        NOT NULL,
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, consumer, event_id)
);
-- For forgetting old ones. Rows come in the order of time, so this stays tiny.
CREATE INDEX inbox_by_age ON {schema}.inbox USING brin (received_at);
"#
    );
    manager.get_connection().execute_unprepared(&sql).await.map(|_| ())
}

/// Undoes [`create`]. Fails when something else is left in the schema.
///
/// # Errors
/// Whatever the database says.
pub async fn drop(manager: &SchemaManager<'_>, schema: &str) -> Result<(), DbErr> {
    let sql =
        format!("DROP TABLE {schema}.outbox; DROP TABLE {schema}.inbox; DROP SCHEMA {schema} RESTRICT;");
    manager.get_connection().execute_unprepared(&sql).await.map(|_| ())
}
