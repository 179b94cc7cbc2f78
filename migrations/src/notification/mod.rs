//! Schema `notification`: recipients and deliveries.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_deliveries;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261120_000001_deliveries::Migration)]
}
