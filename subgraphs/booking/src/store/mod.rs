//! Everything that speaks SQL or Redis. One query per function, noun first.
//!
//! Architecture invariant: what is kept is stamped, and what is due or over is decided, by the clock of
//! whoever keeps it: `booking.now()` in PostgreSQL, `TIME` in Redis. A process whose own clock is wrong
//! may call a show begun and refuse a webhook, but nothing of that outlives it.

pub mod allocation_counts;
pub mod allocations;
pub mod audit;
pub mod booking_seats;
pub mod bookings;
pub mod cancel_keys;
pub mod challenges;
pub mod checkout;
pub mod claims;
pub mod cursors;
pub mod error;
pub mod findings;
pub mod history;
pub mod hold_lists;
pub mod holds;
pub mod paid;
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

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// The PostgreSQL schema of this service.
pub const SCHEMA: &str = "booking";

/// A parameterised PostgreSQL statement.
pub(crate) fn sql<I: IntoIterator<Item = Value>>(text: &'static str, values: I) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// What time it is, as the database has it.
///
/// # Errors
/// When it cannot be asked.
pub async fn now<C: ConnectionTrait>(conn: &C) -> Result<DateTime<Utc>, StoreError> {
    let row = conn.query_one_raw(sql("select booking.now() as now", [])).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("time", "none"))?;
    Ok(row.try_get("", "now")?)
}
