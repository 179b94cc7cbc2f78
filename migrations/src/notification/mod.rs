//! Schema `notification`: recipients and deliveries.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_deliveries;
mod m20261121_000001_clock;
mod m20261121_000002_traces;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261120_000001_deliveries::Migration),
        Box::new(m20261121_000001_clock::Migration),
        Box::new(m20261121_000002_traces::Migration),
    ]
}
