//! SQL that looks at the platform from outside.

use anyhow::{Context, Result};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

/// Connections for looking and for filling tables.
const CONNECTIONS: u32 = 4;

/// Connects to a database.
///
/// # Errors
/// When it does not answer.
pub async fn connect(url: &str) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(CONNECTIONS).sqlx_logging(false);
    Database::connect(options).await.with_context(|| format!("cannot connect to {url}"))
}

/// The number that a query gives.
///
/// # Errors
/// When the query is wrong.
pub async fn count(conn: &DatabaseConnection, sql: &str) -> Result<i64> {
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    Ok(row.context("a count has a row")?.try_get_by_index(0)?)
}

/// Runs statements.
///
/// # Errors
/// When one is wrong.
pub async fn execute(conn: &DatabaseConnection, sql: &str) -> Result<()> {
    conn.execute_unprepared(sql).await.with_context(|| sql.chars().take(200).collect::<String>())?;
    Ok(())
}
