//! A database for each test.

use kernel::{IdSource as _, SystemIds};
use platform::pg::{self, PgConfig};
use sea_orm::ConnectionTrait as _;

/// The address of a service of the tests.
pub fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which starts the services")
    })
}

/// `base` with another path: another database on the same server.
fn with_database(base: &str, name: &str) -> String {
    let start = base.find("://").unwrap() + 3;
    let end = base[start..].find('/').map_or(base.len(), |path| start + path);
    format!("{}/{name}", &base[..end])
}

/// Held while somebody makes the template.
const TEMPLATE_LOCK: i64 = 0x7361_6c65;

/// A database of its own: a copy of one that this very build of the tests migrated.
pub async fn database() -> PgConfig {
    let base = service("MARQUEE_TEST_PG_URL");
    // Session locks belong to a connection: there must be one only.
    let server = PgConfig { url: base.clone().into(), max_connections: 1, ..PgConfig::default() };
    let server = pg::connect(&server).await.unwrap();
    let run = async |sql: String| server.execute_unprepared(&sql).await.expect("PostgreSQL of the tests");
    let at = |name: &str| PgConfig {
        url: with_database(&base, name).into(),
        max_connections: 12,
        ..PgConfig::default()
    };
    let built = std::env::current_exe().unwrap().metadata().unwrap().modified().unwrap();
    let built = built.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let (template, draft) = (format!("sales_{built}"), format!("sales_{built}_draft"));
    let name = format!("sales_{}", SystemIds.uuid().simple());
    run(format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    if run(format!("select 1 from pg_database where datname = '{template}'")).await.rows_affected() == 0 {
        run(format!("drop database if exists {draft} with (force)")).await;
        run(format!("create database {draft}")).await;
        let conn = pg::connect(&at(&draft)).await.unwrap();
        migrations::apply(&conn).await.unwrap();
        conn.close().await.unwrap();
        run(format!("alter database {draft} rename to {template}")).await;
    }
    run(format!("create database {name} template {template}")).await;
    run(format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    server.close().await.unwrap();
    at(&name)
}
