//! Schema `booking`: shows, durable holds, bookings, seats, payments, refunds, tickets, the audit trail,
//! findings of reconciliation.
//!
//! To be dropped by a later release, when no process of a release before those migrations runs any more:
//! * since `checkout_keys`: `bookings.idempotency_key`, `bookings.request_hash`, the trigger
//!   `bookings_checkout_key` with its function;
//! * since `cancel_keys`: `bookings.cancel_key`, the trigger `bookings_cancel_key` with its function.

use sea_orm_migration::MigrationTrait;

mod m20261120_000001_sales;
mod m20261121_000001_holds;
mod m20261121_000002_audit;
mod m20261121_000003_findings;
mod m20261121_000004_clock;
mod m20261121_000005_challenges;
mod m20261121_000006_payment_traces;
mod m20261121_000007_checkout_keys;
mod m20261121_000008_cancel_keys;
mod m20261121_000009_equivalent_seats;

/// The migrations of this service, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261120_000001_sales::Migration),
        Box::new(m20261121_000001_holds::Migration),
        Box::new(m20261121_000002_audit::Migration),
        Box::new(m20261121_000003_findings::Migration),
        Box::new(m20261121_000004_clock::Migration),
        Box::new(m20261121_000005_challenges::Migration),
        Box::new(m20261121_000006_payment_traces::Migration),
        Box::new(m20261121_000007_checkout_keys::Migration),
        Box::new(m20261121_000008_cancel_keys::Migration),
        Box::new(m20261121_000009_equivalent_seats::Migration),
    ]
}
