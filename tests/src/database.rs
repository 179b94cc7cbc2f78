//! A database for each test: a copy of a template that is migrated and seeded once.

use std::{fs, process::Command, time::UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use kernel::{IdSource, SystemIds};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};

use crate::{services::Services, stack::StackBuilder, wait::eventually};

/// Held while somebody makes the template.
const TEMPLATE_LOCK: i64 = 0x6d61_7271;

/// A name that nothing else of this run has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", SystemIds.uuid().simple())
}

/// The address of database `name` on the server of `url`.
fn address(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap_or((url, ""));
    format!("{server}/{name}")
}

async fn admin(services: &Services) -> Result<DatabaseConnection> {
    let mut options = sea_orm::ConnectOptions::new(&services.postgres);
    // Session locks belong to a connection: there must be one only.
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.with_context(|| format!("cannot connect to {}", services.postgres))
}

async fn run(admin: &DatabaseConnection, sql: &str) -> Result<()> {
    admin.execute_unprepared(sql).await.with_context(|| sql.to_owned())?;
    Ok(())
}

async fn count(conn: &DatabaseConnection, sql: &str) -> Result<i64> {
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    Ok(row.context("a count has a row")?.try_get_by_index(0)?)
}

/// Makes a database from the template, and the template first when there is none.
///
/// # Errors
/// When the server does not let us.
pub async fn create(services: &Services) -> Result<String> {
    let admin = admin(services).await?;
    let template = template_name(services)?;
    run(&admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await?;
    let made = ensure_template(services, &admin, &template).await;
    let name = unique("journey");
    let copied = match made {
        Ok(()) => run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await,
        Err(error) => Err(error),
    };
    run(&admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await?;
    admin.close().await?;
    copied?;
    Ok(address(&services.postgres, &name))
}

/// Removes a database made by [`create`].
///
/// # Errors
/// When the server does not let us.
pub async fn remove(services: &Services, url: &str) -> Result<()> {
    let name = url.rsplit('/').next().unwrap_or_default();
    run(&admin(services).await?, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Changes with the program, so that servers that outlive a run never offer an old schema.
fn template_name(services: &Services) -> Result<String> {
    let built = fs::metadata(&services.marquee)?.modified()?.duration_since(UNIX_EPOCH)?;
    Ok(format!("marquee_template_{}", built.as_millis()))
}

async fn ensure_template(services: &Services, admin: &DatabaseConnection, template: &str) -> Result<()> {
    let exists =
        count(admin, &format!("SELECT count(*) FROM pg_database WHERE datname = '{template}'")).await?;
    if exists == 1 {
        return Ok(());
    }
    let draft = format!("{template}_draft");
    run(admin, &format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await?;
    run(admin, &format!("CREATE DATABASE {draft}")).await?;
    let url = address(&services.postgres, &draft);
    for command in ["migrate", "seed"] {
        let output = Command::new(&services.marquee).arg(command).env("DATABASE_URL", &url).output()?;
        ensure!(output.status.success(), "marquee {command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    deliver_shows(services, &url).await?;
    run(admin, &format!("ALTER DATABASE {draft} RENAME TO {template}")).await
}

/// Lets booking learn of the seeded shows, so that no copy has to.
async fn deliver_shows(services: &Services, url: &str) -> Result<()> {
    // Boxed, because a stack may need a template, which needs a stack.
    let start = StackBuilder::new().database(url).roles(&["worker"]).start_with(services.clone());
    let stack = Box::pin(start).await?;
    let conn = Database::connect(url).await?;
    eventually("booking knows every seeded show", async || {
        let missing = "SELECT (SELECT count(*) FROM catalog.shows) - (SELECT count(*) FROM booking.shows)
                            + (SELECT count(*) FROM catalog.outbox)";
        count(&conn, missing).await.ok().filter(|missing| *missing == 0)
    })
    .await;
    conn.close().await?;
    stack.stop()
}
