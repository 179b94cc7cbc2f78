//! Whom messages go to, and which messages went.

use sea_orm_migration::prelude::*;

use crate::messaging;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
-- Our own copy of accounts, kept by the events of the user subgraph.
CREATE TABLE notification.recipients (
    user_id    uuid        PRIMARY KEY,
    -- The account's revision: an older event never overwrites a newer one.
    revision   bigint      NOT NULL,
    email      text        NOT NULL,
    name       text        NOT NULL,
    locale     text        NOT NULL,
    time_zone  text        NULL,
    updated_at timestamptz NOT NULL
);

-- One row for each message to one person over one channel. Keyed by its reader first, so that
-- the tables of this service can be distributed by user.
CREATE TABLE notification.deliveries (
    user_id         uuid        NOT NULL,
    event_id        uuid        NOT NULL,
    channel         text        NOT NULL,
    -- Which message: the name of the event that caused it.
    kind            text        NOT NULL,
    -- What it says: the body of that event. Rendered only when it is sent, for the address and
    -- the language that the person has then.
    facts           jsonb       NOT NULL,
    state           text        NOT NULL,
    attempts        integer     NOT NULL,
    -- When it may be tried; while an attempt runs, when that counts as lost.
    next_attempt_at timestamptz NOT NULL,
    -- What kept it from being sent, without personal data.
    last_error      text        NULL,
    created_at      timestamptz NOT NULL,
    -- Sent, or given up.
    settled_at      timestamptz NULL,
    PRIMARY KEY (user_id, event_id, channel),
    CONSTRAINT deliveries_channel CHECK (channel IN ('EMAIL')),
    CONSTRAINT deliveries_state CHECK (state IN ('PENDING', 'SENT', 'GAVE_UP')),
    CONSTRAINT deliveries_settled CHECK ((state = 'PENDING') = (settled_at IS NULL))
);
-- The sender takes what is due, oldest first.
CREATE INDEX deliveries_due ON notification.deliveries (next_attempt_at) WHERE state = 'PENDING';
-- Purge, and replay of what was given up.
CREATE INDEX deliveries_settled_at ON notification.deliveries (state, settled_at)
    WHERE state <> 'PENDING';
"#;

const DOWN: &str = "DROP TABLE notification.deliveries, notification.recipients;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        messaging::create(manager, "notification").await?;
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        messaging::drop(manager, "notification").await
    }
}
