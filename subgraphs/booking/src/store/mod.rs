//! Everything that speaks SQL or Redis. One query per function, noun first.

pub mod allocation_counts;
pub mod allocations;
pub mod audit;
pub mod booking_seats;
pub mod bookings;
pub mod checkout;
pub mod claims;
pub mod cursors;
pub mod error;
pub mod findings;
pub mod history;
pub mod hold_lists;
pub mod holds;
pub mod payments;
pub mod provider_events;
pub mod reconcile;
pub mod refunds;
pub mod sales;
pub mod seats;
pub mod shows;
pub mod standings;
pub mod tickets;

mod bugs;
mod decode;

pub use error::StoreError;

use sea_orm::{DbBackend, Statement, Value};

/// The PostgreSQL schema of this service.
pub const SCHEMA: &str = "booking";

/// A parameterised PostgreSQL statement.
pub(crate) fn sql<I: IntoIterator<Item = Value>>(text: &'static str, values: I) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
