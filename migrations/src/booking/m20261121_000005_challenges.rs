//! Shows whose seats are held only by those who prove that they are a person.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
-- Ours, not the catalog's: its events leave it as it is.
ALTER TABLE booking.shows ADD COLUMN challenge_required boolean NOT NULL DEFAULT false;

ALTER TABLE booking.audit
    DROP CONSTRAINT audit_entity,
    DROP CONSTRAINT audit_entity_no,
    DROP CONSTRAINT audit_booking_no,
    ADD CONSTRAINT audit_entity
        CHECK (entity IN ('BOOKING', 'PAYMENT', 'REFUND', 'HOLD', 'SHOW', 'FINDING', 'CHALLENGE')),
    ADD CONSTRAINT audit_entity_no CHECK ((entity IN ('SHOW', 'CHALLENGE')) = (entity_no IS NULL)),
    ADD CONSTRAINT audit_booking_no
        CHECK (entity IN ('HOLD', 'SHOW', 'CHALLENGE') OR booking_no IS NOT NULL);
"#;

/// The trail cannot lose entries: new ones of challenges are refused, those that exist stay.
const DOWN: &str = r#"
ALTER TABLE booking.audit
    DROP CONSTRAINT audit_entity,
    DROP CONSTRAINT audit_entity_no,
    DROP CONSTRAINT audit_booking_no,
    ADD CONSTRAINT audit_entity
        CHECK (entity IN ('BOOKING', 'PAYMENT', 'REFUND', 'HOLD', 'SHOW', 'FINDING')) NOT VALID,
    ADD CONSTRAINT audit_entity_no CHECK ((entity = 'SHOW') = (entity_no IS NULL)) NOT VALID,
    ADD CONSTRAINT audit_booking_no
        CHECK (entity IN ('HOLD', 'SHOW') OR booking_no IS NOT NULL) NOT VALID;

ALTER TABLE booking.shows DROP COLUMN challenge_required;
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
