//! The tables of schema `notification`. One query per function; the caller decides on
//! transactions.

pub(crate) mod delivery;
pub(crate) mod recipient;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

/// The PostgreSQL schema of this service.
pub(crate) const SCHEMA: &str = "notification";

/// A statement for PostgreSQL.
fn sql(text: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> sea_orm::Statement {
    sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, values)
}

/// What time it is, as the database has it.
pub(crate) async fn now<C: ConnectionTrait>(conn: &C) -> Result<DateTime<Utc>, DbErr> {
    let row = conn.query_one_raw(sql("SELECT notification.now() AS now", [])).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("now".to_owned()))?.try_get("", "now")
}
