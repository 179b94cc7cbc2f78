//! The clock of the database decides.

use sea_orm_migration::prelude::*;

use crate::clock;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        clock::create(manager, "notification").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        clock::drop(manager, "notification").await
    }
}
