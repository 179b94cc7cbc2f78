//! Schema `catalog`: cities, theaters, screens, movies, shows.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_catalog;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261120_000001_catalog::Migration)]
}
