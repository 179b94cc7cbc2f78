//! The tables of schema `catalog`. One query per function, noun first; the caller decides on
//! transactions. Nothing else speaks SQL.

pub(crate) mod city;
mod conditions;
mod error;
pub(crate) mod movie;
pub(crate) mod screen;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod show_batch;
pub(crate) mod theater;

pub(crate) use error::StoreError;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use serde::Serialize;
use uuid::Uuid;

/// The PostgreSQL schema of this service.
pub(crate) const SCHEMA: &str = "catalog";

fn sql(text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// All rows of a query, each turned into what it stands for.
async fn fetch<C, R, T>(conn: &C, statement: Statement) -> Result<Vec<T>, StoreError>
where
    C: ConnectionTrait,
    R: FromQueryResult,
    T: TryFrom<R, Error = StoreError>,
{
    let rows = conn.query_all_raw(statement).await?;
    rows.iter().map(|row| T::try_from(R::from_query_result(row, "")?)).collect()
}

/// The ids in the first column of all rows of a query.
async fn ids<C: ConnectionTrait, I>(
    conn: &C,
    statement: Statement,
    id: impl Fn(Uuid) -> I,
) -> Result<Vec<I>, StoreError> {
    let rows = conn.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(id(row.try_get_by_index(0)?))).collect()
}

/// The one number that a query gives.
async fn number<C: ConnectionTrait>(conn: &C, statement: Statement) -> Result<i64, StoreError> {
    let row = conn.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a query for a number gave no row".to_owned()))?;
    Ok(row.try_get_by_index(0)?)
}

fn uuids<I>(ids: impl IntoIterator<Item = I>, uuid: impl Fn(I) -> Uuid) -> Value {
    ids.into_iter().map(uuid).collect::<Vec<_>>().into()
}

/// Parses what a column holds.
fn parse<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt(what, text))
}

fn parse_all<T: std::str::FromStr>(what: &'static str, texts: &[String]) -> Result<Vec<T>, StoreError> {
    texts.iter().map(|text| parse(what, text)).collect()
}

fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    value: serde_json::Value,
) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::corrupt(what, error))
}

/// Rows for `jsonb_to_recordset`: one parameter however many rows there are.
fn records<T: Serialize>(rows: &[T]) -> Result<Value, StoreError> {
    let json = serde_json::to_value(rows).map_err(|error| StoreError::corrupt("rows to insert", error))?;
    Ok(json.into())
}
