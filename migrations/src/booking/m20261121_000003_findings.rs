//! What reconciliation found, how far it has come, and what it has seen to be right.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
-- Records of the same thing that should agree and do not: the queue of a person.
CREATE TABLE booking.findings (
    -- All zeros when it belongs to no show, such as an intent that nobody of us made.
    show_id     uuid        NOT NULL,
    finding_no  bigint      NOT NULL,
    cause       text        NOT NULL,
    -- What it is about: the id of a booking, of the provider's intent, …; the cause says which.
    subject     text        NOT NULL,
    -- What both sides say. No personal data.
    detail      jsonb       NOT NULL,
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    -- When a repair was last tried; whether it worked shows when it is looked at again.
    repaired_at timestamptz NULL,
    resolved_at timestamptz NULL,
    resolution  text        NULL,
    note        text        NULL,
    -- Who wrote the note.
    resolved_by text        NULL,
    CONSTRAINT findings_pkey PRIMARY KEY (show_id, finding_no),
    -- Seen again, it is the same one.
    CONSTRAINT findings_once UNIQUE (show_id, cause, subject),
    CONSTRAINT findings_resolution CHECK (resolution IN ('healed', 'repaired', 'manual')),
    CONSTRAINT findings_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT findings_manual CHECK
        (resolution IS DISTINCT FROM 'manual' OR note <> '' AND note IS NOT NULL AND resolved_by IS NOT NULL)
);
CREATE INDEX findings_open ON booking.findings (last_seen) WHERE resolved_at IS NULL;

-- Where the rounds of reconciliation go on. Belongs to no show, but to the one process that leads;
-- when a row is lost, its round begins anew.
CREATE TABLE booking.reconcile_cursors (
    name       text        PRIMARY KEY,
    position   text        NOT NULL,
    updated_at timestamptz NOT NULL
);

-- When the provider was seen to have the same money. Only those without it are asked for.
ALTER TABLE booking.payments ADD COLUMN reconciled_at timestamptz NULL;
ALTER TABLE booking.refunds ADD COLUMN reconciled_at timestamptz NULL;
-- Neither the state nor the time of the change is in it: the update that captures a payment leaves
-- all indexes as they are.
CREATE INDEX payments_unreconciled ON booking.payments (created_at) WHERE reconciled_at IS NULL;
CREATE INDEX refunds_unreconciled ON booking.refunds (updated_at)
    WHERE status = 'SUCCEEDED' AND reconciled_at IS NULL;
-- Refunds that failed, maybe long after anything else about their bookings changed.
CREATE INDEX refunds_failed ON booking.refunds (updated_at, show_id, refund_no) WHERE status = 'FAILED';
-- What changed lately. Rows change soon after they are made, so this stays tiny and costs nothing.
CREATE INDEX bookings_by_change ON booking.bookings
    USING brin (updated_at) WITH (pages_per_range = 32, autosummarize = on);
"#;

const DOWN: &str = r#"
DROP INDEX booking.bookings_by_change;
DROP INDEX booking.refunds_failed;
ALTER TABLE booking.refunds DROP COLUMN reconciled_at;
ALTER TABLE booking.payments DROP COLUMN reconciled_at;
DROP TABLE booking.reconcile_cursors;
DROP TABLE booking.findings;
"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}
