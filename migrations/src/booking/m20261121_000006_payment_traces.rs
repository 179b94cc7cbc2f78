//! What a payment's webhook goes on with.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
-- The `traceparent` of the checkout that made the intent: the provider sends none with what it tells us
-- about it later.
ALTER TABLE booking.payments ADD COLUMN trace text NULL;
";

const DOWN: &str = "ALTER TABLE booking.payments DROP COLUMN trace;";

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
