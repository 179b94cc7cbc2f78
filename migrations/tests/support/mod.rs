//! Databases of tests.

use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

/// An empty database of the test's own.
pub async fn database(name: &str) -> Result<DatabaseConnection, DbErr> {
    let base = std::env::var("MARQUEE_TEST_PG_URL").unwrap_or_else(|_| {
        panic!("MARQUEE_TEST_PG_URL is not set: run `cargo xtask test`, which starts the services")
    });
    let name = format!("migrations_{name}_{}", std::process::id());
    let server = Database::connect(&base).await?;
    server.execute_unprepared(&format!("drop database if exists {name}")).await?;
    server.execute_unprepared(&format!("create database {name}")).await?;
    let address = base.rsplit_once('/').map_or(&*base, |(address, _)| address);
    let mut options = ConnectOptions::new(format!("{address}/{name}"));
    options.max_connections(6);
    Database::connect(options).await
}
