//! What cancellations' idempotency keys were used for, as it is kept of checkouts: one that only found its
//! booking cancelled is used for it, too.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE booking.cancel_keys (
    show_id         uuid   NOT NULL,
    user_id         uuid   NOT NULL,
    idempotency_key text   NOT NULL,
    booking_no      bigint NOT NULL,
    CONSTRAINT cancel_keys_pkey PRIMARY KEY (show_id, user_id, idempotency_key)
);

-- Processes of the release before write the key into the booking, and know a key that is used by this
-- constraint, whose index nobody else needs.
CREATE FUNCTION booking.cancel_key_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking.cancel_keys (show_id, user_id, idempotency_key, booking_no)
    VALUES (NEW.show_id, NEW.user_id, NEW.cancel_key, NEW.booking_no);
    RETURN NULL;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'the idempotency key is used'
        USING ERRCODE = 'unique_violation', SCHEMA = 'booking', TABLE = 'bookings',
              CONSTRAINT = 'bookings_cancel_key';
END
$$;
CREATE TRIGGER bookings_cancel_key AFTER UPDATE OF cancel_key ON booking.bookings
    FOR EACH ROW WHEN (NEW.cancel_key IS DISTINCT FROM OLD.cancel_key)
    EXECUTE FUNCTION booking.cancel_key_follow();

ALTER TABLE booking.bookings DROP CONSTRAINT bookings_cancel_key;

INSERT INTO booking.cancel_keys (show_id, user_id, idempotency_key, booking_no)
SELECT show_id, user_id, cancel_key, booking_no FROM booking.bookings WHERE cancel_key IS NOT NULL;
";

const DOWN: &str = "
DROP TRIGGER bookings_cancel_key ON booking.bookings;
DROP FUNCTION booking.cancel_key_follow();
ALTER TABLE booking.bookings ADD CONSTRAINT bookings_cancel_key UNIQUE (show_id, user_id, cancel_key);
DROP TABLE booking.cancel_keys;
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
