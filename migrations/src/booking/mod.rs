//! Schema `booking`: shows, bookings, seats, payments, refunds, tickets.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_sales;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261120_000001_sales::Migration)]
}
