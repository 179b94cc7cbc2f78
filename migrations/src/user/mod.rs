//! Schema `users`: accounts, sessions, refresh tokens, log-in attempts.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_accounts;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261120_000001_accounts::Migration)]
}
