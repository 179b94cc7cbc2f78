//! The migrations against a real PostgreSQL.

mod support;

use migrations::{Migrator, apply};
use sea_orm_migration::{
    MigratorTrait,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement},
};
use support::database;

/// Names of all tables outside the system's schemas, in order.
async fn tables(pg: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sql = "select schemaname || '.' || tablename as name from pg_tables \
               where schemaname not in ('pg_catalog', 'information_schema') order by name";
    let rows = pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

#[tokio::test]
async fn every_service_has_an_outbox_and_an_inbox() {
    let pg = database("tables").await.unwrap();
    apply(&pg).await.unwrap();
    let tables = tables(&pg).await.unwrap();
    for schema in ["catalog", "booking", "users", "notification"] {
        for table in ["outbox", "inbox"] {
            let name = format!("{schema}.{table}");
            assert!(tables.contains(&name), "{name} in {tables:?}");
        }
    }
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    let pg = database("together").await.unwrap();
    let (first, second, third) = tokio::join!(apply(&pg), apply(&pg), apply(&pg));
    first.and(second).and(third).unwrap();
    assert!(Migrator::get_pending_migrations(&pg).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_goes_up_comes_down() {
    let pg = database("down").await.unwrap();
    apply(&pg).await.unwrap();
    let before = tables(&pg).await.unwrap();
    Migrator::down(&pg, None).await.unwrap();
    assert_eq!(tables(&pg).await.unwrap(), ["public.seaql_migrations"]);
    apply(&pg).await.unwrap();
    assert_eq!(tables(&pg).await.unwrap(), before);
}
