//! The database schema: one PostgreSQL schema per service, built by migrations in their order.
//!
//! Migrations expand first and contract in a later release, so that the versions before and
//! after each of them can run side by side.
//!
//! Architecture invariant: no migration refers to another service's schema.

pub mod booking;
pub mod catalog;
pub mod clock;
pub mod messaging;
pub mod notification;
pub mod user;

use sea_orm_migration::{
    async_trait,
    prelude::*,
    sea_orm::{DatabaseConnection, TransactionTrait},
};

/// All migrations of all services.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        [catalog::migrations(), booking::migrations(), user::migrations(), notification::migrations()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Names the lock that lets one process migrate at a time; any number does, this one is ours.
const LOCK: i64 = 0x6d61_7271_7565_6521;

/// Applies what is pending. Several processes may call this at once: the others wait, and then
/// find nothing to do.
///
/// Takes two connections of `pg`, which should have no statement timeout: building an index may
/// take long.
///
/// # Errors
/// A migration failed; those before it stay applied.
pub async fn apply(pg: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = pg.begin().await?;
    lock.execute_unprepared(&format!(
        "set local statement_timeout = 0; select pg_advisory_xact_lock({LOCK})"
    ))
    .await?;
    Migrator::up(pg, None).await?;
    lock.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_because_they_are_the_record_of_what_was_applied() {
        let migrations = Migrator::migrations();
        let names: BTreeSet<_> = migrations.iter().map(|migration| migration.name()).collect();
        assert_eq!(names.len(), migrations.len(), "{names:?}");
    }
}
