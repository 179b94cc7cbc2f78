//! What a delivery goes on with.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
-- The `traceparent` of the work that wants the message sent, which is over when it is.
ALTER TABLE notification.deliveries ADD COLUMN trace text NULL;
";

const DOWN: &str = "ALTER TABLE notification.deliveries DROP COLUMN trace;";

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
