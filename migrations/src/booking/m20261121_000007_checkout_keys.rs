//! What checkouts' idempotency keys were used for, in a table of their own: one that only repeats a checkout
//! of a hold is as much used as one that made a booking.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE booking.checkout_keys (
    show_id         uuid   NOT NULL,
    user_id         uuid   NOT NULL,
    idempotency_key text   NOT NULL,
    -- All that a checkout is given besides its key.
    hold_no         bigint NOT NULL,
    CONSTRAINT checkout_keys_pkey PRIMARY KEY (show_id, user_id, idempotency_key)
);
INSERT INTO booking.checkout_keys (show_id, user_id, idempotency_key, hold_no)
SELECT show_id, user_id, idempotency_key, hold_no FROM booking.bookings;
ALTER TABLE booking.bookings DROP COLUMN idempotency_key, DROP COLUMN request_hash;
";

const DOWN: &str = "
ALTER TABLE booking.bookings
    ADD COLUMN idempotency_key text  NOT NULL DEFAULT gen_random_uuid()::text,
    ADD COLUMN request_hash    bytea NOT NULL DEFAULT sha256('');
ALTER TABLE booking.bookings
    ALTER COLUMN idempotency_key DROP DEFAULT,
    ALTER COLUMN request_hash DROP DEFAULT,
    ADD CONSTRAINT bookings_idempotency UNIQUE (show_id, user_id, idempotency_key),
    ADD CONSTRAINT bookings_request_hash_is_sha256 CHECK (octet_length(request_hash) = 32);
DROP TABLE booking.checkout_keys;
";

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
