//! Durable holds: what PostgreSQL gives while Redis is away.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
-- Holds that were given while Redis was away. They stay here until they end.
CREATE TABLE booking.holds (
    show_id        uuid        NOT NULL,
    hold_no        bigint      NOT NULL,
    user_id        uuid        NOT NULL,
    -- Short stand-ins for the idempotency key, and for all that was asked for under it.
    key_digest     text        NOT NULL,
    request_digest text        NOT NULL,
    status         text        NOT NULL,
    -- One more with each change.
    version        bigint      NOT NULL,
    -- The version that Redis was told of.
    told_version   bigint      NOT NULL,
    -- Ascending; kept when the hold ends.
    seats          smallint[]  NOT NULL,
    -- All times of holds are those of the database's clock.
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT holds_pkey PRIMARY KEY (show_id, hold_no),
    CONSTRAINT holds_status CHECK (status IN ('HELD', 'RELEASED', 'EXPIRED', 'CONSUMED', 'LOST')),
    -- The lowest bit says who keeps a hold: those of Redis have it clear.
    CONSTRAINT holds_no CHECK (hold_no & 1 = 1),
    CONSTRAINT holds_version CHECK (version >= 1 AND told_version BETWEEN 0 AND version),
    CONSTRAINT holds_seats CHECK (cardinality(seats) > 0),
    CONSTRAINT holds_time CHECK (expires_at >= created_at)
);
-- Those that are over.
CREATE INDEX holds_overdue ON booking.holds (expires_at) WHERE status = 'HELD';
-- What Redis has to be told.
CREATE INDEX holds_untold ON booking.holds (updated_at) WHERE told_version < version;
-- What a user holds, over all shows.
CREATE INDEX holds_by_user ON booking.holds (user_id) WHERE status = 'HELD';
-- What a user used an idempotency key for, over all shows.
CREATE INDEX holds_by_key ON booking.holds (user_id, key_digest);
-- What a seat map is loaded with.
CREATE INDEX holds_of_show ON booking.holds (show_id, expires_at);
-- The purge, and what an outage may have kept from Redis.
CREATE INDEX holds_by_change ON booking.holds (updated_at);
-- What a user has to pay for, over all shows, counts against the same limits.
CREATE INDEX bookings_unpaid_by_user ON booking.bookings (user_id) WHERE status = 'PENDING_PAYMENT';

-- A seat belongs to a booking, or for a while to a durable hold: in one table, so that its primary
-- key decides between them too. Writers that know of bookings only go on as before.
ALTER TABLE booking.seat_allocations
    ALTER COLUMN booking_no DROP NOT NULL,
    ADD COLUMN hold_no bigint NULL,
    -- The hold's expires_at.
    ADD COLUMN held_until timestamptz NULL,
    ADD CONSTRAINT seat_allocations_owner CHECK (num_nonnulls(booking_no, hold_no) = 1),
    ADD CONSTRAINT seat_allocations_held
        CHECK ((hold_no IS NULL) = (held_until IS NULL) AND (hold_no IS NULL OR NOT sold)),
    ADD CONSTRAINT seat_allocations_hold FOREIGN KEY (show_id, hold_no)
        REFERENCES booking.holds (show_id, hold_no);
"#;

const DOWN: &str = r#"
DELETE FROM booking.seat_allocations WHERE hold_no IS NOT NULL;
ALTER TABLE booking.seat_allocations
    DROP COLUMN hold_no,
    DROP COLUMN held_until,
    ALTER COLUMN booking_no SET NOT NULL;
DROP INDEX booking.bookings_unpaid_by_user;
DROP TABLE booking.holds;
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
