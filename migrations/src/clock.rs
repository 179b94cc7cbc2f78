//! The time by which a service decides about what it keeps: that of the database, which is the same for
//! all its processes. What a process with a wrong clock wrote down would outlive its mistake.
//!
//! It is that of the statement and not of the transaction, which may have begun long before it got its
//! locks. `STABLE` and a single expression, so that it is inlined and indexes serve it. Tests replace it.

use sea_orm_migration::prelude::*;

/// Creates `<schema>.now()`.
///
/// # Errors
/// Whatever the database says.
pub async fn create(manager: &SchemaManager<'_>, schema: &str) -> Result<(), DbErr> {
    let sql = format!(
        "CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
             AS 'SELECT pg_catalog.statement_timestamp()'"
    );
    manager.get_connection().execute_unprepared(&sql).await.map(std::mem::drop)
}

/// Undoes [`create`].
///
/// # Errors
/// Whatever the database says.
pub async fn drop(manager: &SchemaManager<'_>, schema: &str) -> Result<(), DbErr> {
    let sql = format!("DROP FUNCTION {schema}.now()");
    manager.get_connection().execute_unprepared(&sql).await.map(std::mem::drop)
}
