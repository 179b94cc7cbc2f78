//! The tables of schema `notification`. One query per function; the caller decides on
//! transactions.

pub(crate) mod delivery;
pub(crate) mod recipient;

/// The PostgreSQL schema of this service.
pub(crate) const SCHEMA: &str = "notification";

/// A statement for PostgreSQL.
fn sql(text: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> sea_orm::Statement {
    sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, values)
}
