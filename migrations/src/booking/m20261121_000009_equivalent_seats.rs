//! Whether the buyer takes equivalent seats when a payment comes too late for those that were booked.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
-- Processes of the release before do not name it: whoever checks out there agrees to nothing.
ALTER TABLE booking.bookings ADD COLUMN accepts_equivalent boolean NOT NULL DEFAULT false;
";

const DOWN: &str = "ALTER TABLE booking.bookings DROP COLUMN accepts_equivalent;";

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
