//! Databases of the private server.

use anyhow::{Context, Result};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::servers::Servers;

async fn connect(url: &str) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.with_context(|| format!("cannot connect to {url}"))
}

/// Runs statements in a database.
///
/// # Errors
/// What PostgreSQL said.
pub async fn execute(servers: &Servers, database: &str, sql: &str) -> Result<()> {
    let connection = connect(&servers.postgres_url(database)).await?;
    connection.execute_unprepared(sql).await.with_context(|| sql.to_owned())?;
    connection.close().await?;
    Ok(())
}

/// The one number that a query gives.
///
/// # Errors
/// What PostgreSQL said.
pub async fn number(servers: &Servers, database: &str, sql: &str) -> Result<i64> {
    let connection = connect(&servers.postgres_url(database)).await?;
    let row =
        connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let number = row.context("no row")?.try_get_by_index(0)?;
    connection.close().await?;
    Ok(number)
}

/// Makes a database, as a copy of `template` if there is one, which nobody must be using.
///
/// # Errors
/// What PostgreSQL said.
pub async fn create(servers: &Servers, name: &str, template: Option<&str>) -> Result<()> {
    // Copied by files, and not through the WAL as PostgreSQL 15 does by itself: there a sequence of the copy
    // goes back when PostgreSQL is killed before the next checkpoint, as the numbers that the template's had
    // taken in advance count as written. Nobody sells from a copy.
    let template =
        template.map(|template| format!(" TEMPLATE {template} STRATEGY file_copy")).unwrap_or_default();
    execute(servers, "postgres", &format!("CREATE DATABASE {name}{template}")).await
}

/// Removes a database, whoever is using it.
///
/// # Errors
/// What PostgreSQL said.
pub async fn remove(servers: &Servers, name: &str) -> Result<()> {
    execute(servers, "postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}
