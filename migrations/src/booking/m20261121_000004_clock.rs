//! The clock of the database decides, also how long an event has waited to be published.

use sea_orm_migration::prelude::*;

use crate::clock;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
-- When it came: `time` is what the process that wrote the event said.
ALTER TABLE booking.outbox ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT booking.now();
";

const DOWN: &str = "ALTER TABLE booking.outbox DROP COLUMN recorded_at;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        clock::create(manager, "booking").await?;
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        clock::drop(manager, "booking").await
    }
}
