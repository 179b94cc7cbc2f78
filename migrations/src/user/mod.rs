//! Schema `users`: accounts, sessions, refresh tokens, log-in attempts, API keys and their usage.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_accounts;
mod m20261121_000001_api_keys;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261120_000001_accounts::Migration), Box::new(m20261121_000001_api_keys::Migration)]
}
