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

-- Processes of the release before write the key into the booking, and know a key that is used by this
-- constraint, whose index nobody else needs.
CREATE FUNCTION booking.checkout_key_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking.checkout_keys (show_id, user_id, idempotency_key, hold_no)
    VALUES (NEW.show_id, NEW.user_id, NEW.idempotency_key, NEW.hold_no);
    RETURN NULL;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'the idempotency key is used'
        USING ERRCODE = 'unique_violation', SCHEMA = 'booking', TABLE = 'bookings',
              CONSTRAINT = 'bookings_idempotency';
END
$$;
CREATE TRIGGER bookings_checkout_key AFTER INSERT ON booking.bookings
    FOR EACH ROW WHEN (NEW.idempotency_key <> '') EXECUTE FUNCTION booking.checkout_key_follow();

-- What they read of bookings that others make: no key is empty.
ALTER TABLE booking.bookings
    ALTER COLUMN idempotency_key SET DEFAULT '',
    ALTER COLUMN request_hash SET DEFAULT '',
    DROP CONSTRAINT bookings_request_hash_is_sha256,
    DROP CONSTRAINT bookings_idempotency;

-- Nobody writes bookings since the trigger was made, and all that were written are seen.
INSERT INTO booking.checkout_keys (show_id, user_id, idempotency_key, hold_no)
SELECT show_id, user_id, idempotency_key, hold_no FROM booking.bookings;
";

const DOWN: &str = "
DROP TRIGGER bookings_checkout_key ON booking.bookings;
DROP FUNCTION booking.checkout_key_follow();
UPDATE booking.bookings
   SET idempotency_key = gen_random_uuid()::text, request_hash = sha256('')
 WHERE idempotency_key = '';
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
