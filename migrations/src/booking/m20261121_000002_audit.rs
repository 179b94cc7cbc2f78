//! Who changed which booking, payment, refund, hold or show, when and why.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
-- No foreign keys: the trail outlives what it tells of.
CREATE TABLE booking.audit (
    show_id     uuid        NOT NULL,
    -- Grows with time; of one booking strictly in the order of its changes, which happen under its lock.
    audit_no    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- The time of the change and not of the transaction, which may have begun long before.
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    entity      text        NOT NULL,
    -- The number of the thing within its show; null for the show itself.
    entity_no   bigint      NULL,
    -- The booking that it belongs to.
    booking_no  bigint      NULL,
    -- Null when the thing is new.
    from_state  text        NULL,
    to_state    text        NOT NULL,
    -- Of a booking or a hold: its seats, whose history this is as well.
    seats       smallint[]  NOT NULL DEFAULT '{}',
    actor_kind  text        NOT NULL,
    actor       text        NOT NULL,
    reason      text        NOT NULL,
    trace_id    text        NULL,
    CONSTRAINT audit_pkey PRIMARY KEY (show_id, audit_no),
    CONSTRAINT audit_entity CHECK (entity IN ('BOOKING', 'PAYMENT', 'REFUND', 'HOLD', 'SHOW', 'FINDING')),
    CONSTRAINT audit_entity_no CHECK ((entity = 'SHOW') = (entity_no IS NULL)),
    CONSTRAINT audit_booking_no CHECK (entity IN ('HOLD', 'SHOW') OR booking_no IS NOT NULL),
    CONSTRAINT audit_change CHECK (from_state IS DISTINCT FROM to_state),
    CONSTRAINT audit_actor_kind CHECK (actor_kind IN ('USER', 'PROVIDER', 'SYSTEM', 'OPERATOR')),
    CONSTRAINT audit_reason CHECK (reason <> '')
);
-- A page of a show, with or without one of its seats, is read from the primary key.
CREATE INDEX audit_by_booking ON booking.audit (show_id, booking_no, audit_no) WHERE booking_no IS NOT NULL;

CREATE FUNCTION booking.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'booking.audit is append-only: % is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'A wrong entry is followed by a right one; both stay.';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON booking.audit
    FOR EACH STATEMENT EXECUTE FUNCTION booking.audit_refuse();
"#;

const DOWN: &str = r#"
DROP TABLE booking.audit;
DROP FUNCTION booking.audit_refuse();
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
