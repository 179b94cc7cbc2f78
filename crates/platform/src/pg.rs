//! PostgreSQL: the pool, what its errors mean, and leadership by advisory lock.

mod statements;
mod watch;

use std::{sync::Arc, time::Duration};

use garde::Validate;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{self, Connection as _, PgConnection, error::DatabaseError},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

pub(crate) use watch::watch;

use statements::Statements;

/// Connections that rested longer than this are tested before use; fresher ones are trusted,
/// which saves a round trip for each request under load.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// More than any statement of a leader takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A leader that says nothing for so long is deposed by the server, which frees its lock: its
/// process hangs, or its machine is gone. (`idle_session_timeout` is new in PostgreSQL 14.)
const LEASE: (&str, &str) = ("idle_session_timeout", "5s");
/// How often a leader says something; a fraction of [`LEASE`].
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Section `[pg]`.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PgConfig {
    /// `postgres://user:password@host:port/database`.
    #[garde(skip)]
    pub url: SecretString,
    /// The most connections that this process opens.
    #[garde(range(min = 1, max = 1_000))]
    pub max_connections: u32,
    /// Connections kept open when idle.
    #[garde(range(max = 1_000))]
    pub min_connections: u32,
    /// Milliseconds to wait for a free connection before the request fails as unavailable.
    #[garde(range(min = 10, max = 60_000))]
    pub acquire_timeout_ms: u64,
    /// Milliseconds after which the server aborts a statement; 0 lets it run.
    #[garde(range(max = 3_600_000))]
    pub statement_timeout_ms: u64,
    /// Milliseconds after which the server ends a transaction whose process says nothing, with all
    /// its locks; 0 lets it wait. Between two statements nothing of ours takes long.
    #[garde(range(max = 3_600_000))]
    pub transaction_idle_timeout_ms: u64,
}

impl Default for PgConfig {
    fn default() -> Self {
        Self {
            url: "postgres://marquee:marquee@127.0.0.1:5432/marquee".into(),
            max_connections: 16,
            min_connections: 0,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 10_000,
            transaction_idle_timeout_ms: 5_000,
        }
    }
}

/// The pool cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    /// The address cannot be parsed. (The cause is left out: it would show the password.)
    #[error("pg.url is no valid PostgreSQL URL")]
    Url,
}

/// Makes a pool that connects when it is first used, so the server need not be there yet.
///
/// # Errors
/// [`PgError::Url`] when the address cannot be parsed.
pub async fn connect(config: &PgConfig) -> Result<DatabaseConnection, PgError> {
    let mut options = ConnectOptions::new(config.url.expose_secret());
    options
        .max_connections(config.max_connections)
        .min_connections(config.min_connections.min(config.max_connections))
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .connect_lazy(true)
        .test_before_acquire_if_idle_for(TRUSTED_FOR)
        .set_application_name("marquee")
        // Statements would carry personal data into the logs, and cost time.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    if config.statement_timeout_ms > 0 {
        options.statement_timeout(Duration::from_millis(config.statement_timeout_ms));
    }
    if config.transaction_idle_timeout_ms > 0 {
        let limit = format!("{}ms", config.transaction_idle_timeout_ms);
        options.map_sqlx_postgres_opts(move |options| {
            options.options([("idle_in_transaction_session_timeout", limit.as_str())])
        });
    }
    let mut pg = Database::connect(options).await.map_err(|_| PgError::Url)?;
    let statements = Statements::new();
    pg.set_metric_callback(move |info| statements.observe(info));
    Ok(pg)
}

/// True when `error` is a violation of the unique or primary-key constraint of this name.
#[must_use]
pub fn is_unique_violation(error: &DbErr, constraint: &str) -> bool {
    violates(error, "23505", constraint)
}

/// True when `error` is a violation of the foreign-key constraint of this name.
#[must_use]
pub fn is_foreign_key_violation(error: &DbErr, constraint: &str) -> bool {
    violates(error, "23503", constraint)
}

/// True when `error` is a violation of the check constraint of this name.
#[must_use]
pub fn is_check_violation(error: &DbErr, constraint: &str) -> bool {
    violates(error, "23514", constraint)
}

/// True when `error` is a violation of the exclusion constraint of this name.
#[must_use]
pub fn is_exclusion_violation(error: &DbErr, constraint: &str) -> bool {
    violates(error, "23P01", constraint)
}

fn violates(error: &DbErr, code: &str, constraint: &str) -> bool {
    database_error(error)
        .is_some_and(|error| error.code().as_deref() == Some(code) && error.constraint() == Some(constraint))
}

/// True when the transaction lost against a concurrent one (serialization failure, deadlock, lock
/// not available) and may be run again from its start.
#[must_use]
pub fn is_contention(error: &DbErr) -> bool {
    database_error(error)
        .and_then(DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "55P03"))
}

/// True when the server aborted a statement because it ran longer than
/// [`PgConfig::statement_timeout_ms`].
#[must_use]
pub fn is_statement_timeout(error: &DbErr) -> bool {
    database_error(error).and_then(DatabaseError::code).is_some_and(|code| code == "57014")
}

/// True when the database cannot be reached or is not serving; the same request may work later.
#[must_use]
pub fn is_unavailable(error: &DbErr) -> bool {
    let driver_error = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => error,
        _ => return false,
    };
    match &**driver_error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Connection exceptions, insufficient resources, operator intervention (a shutdown, a
        // statement timeout), system errors:
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class))
                // A server that has just been demoted; a transaction whose process was silent for
                // too long, see `PgConfig::transaction_idle_timeout_ms`.
                || matches!(&*code, "25006" | "25P03")
        }),
        _ => false,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn DatabaseError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => error.as_database_error(),
        _ => None,
    }
}

/// Asks the server for a sign of life.
///
/// # Errors
/// Whatever the database says.
pub async fn ping(pg: &DatabaseConnection) -> Result<(), DbErr> {
    pg.execute_unprepared("select 1").await.map(drop)
}

/// One process at a time holds the lock of a name: a session advisory lock on a connection of
/// its own. While this value lives, use [`Leader::connection`] for what only the leader may do:
/// the lock is lost exactly when that connection is, and then the work fails with it.
///
/// A leader that is silent for five seconds is deposed. So whatever takes long, waiting included,
/// runs in [`Leader::hold_while`].
///
/// (A statement that waited for the lock would hold back vacuum, so [`Leader::elect`] polls.)
#[derive(Debug)]
pub struct Leader {
    connection: PgConnection,
}

impl Leader {
    /// Tries once to become the leader for `name`. `None` when another process is.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn elect(pg: &DatabaseConnection, name: &str) -> Result<Option<Self>, DbErr> {
        let pool = pg.get_postgres_connection_pool();
        let options = (*pool.connect_options()).clone().options([LEASE]);
        let connecting = async { PgConnection::connect_with(&options).await };
        let mut connection = in_time(connecting).await?;
        let elected: bool = in_time(
            sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(format!("marquee:{name}"))
                .fetch_one(&mut connection),
        )
        .await?;
        if elected {
            return Ok(Some(Self { connection }));
        }
        // Closing is a courtesy: the server also ends sessions whose socket is gone.
        let _ = in_time(connection.close()).await;
        Ok(None)
    }

    /// The connection that carries the lock.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Fails when the lock is lost.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn confirm(&mut self) -> Result<(), DbErr> {
        in_time(self.connection.ping()).await
    }

    /// What `work` yields, while the lock is kept. Work is dropped where it stands when the lock
    /// is lost.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn hold_while<T>(&mut self, work: impl Future<Output = T>) -> Result<T, DbErr> {
        let mut work = std::pin::pin!(work);
        loop {
            match timeout(SIGN_OF_LIFE, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) => self.confirm().await?,
            }
        }
    }

    /// Lets another process take over at once.
    pub async fn resign(self) {
        let _ = in_time(self.connection.close()).await;
    }
}

/// What is asked on a [`Leader`]'s connection. A server that vanished without a word must not
/// keep its leader waiting until TCP gives up, which takes a quarter of an hour.
pub(crate) async fn in_time<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DbErr> {
    match timeout(ANSWER_WITHIN, statement).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))),
        Err(_) => Err(DbErr::Conn(RuntimeErr::Internal("PostgreSQL does not answer".to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_is_unavailable_and_a_type_error_is_not() {
        assert!(is_unavailable(&DbErr::ConnectionAcquire(sea_orm::error::ConnAcquireErr::Timeout)));
        let query = |error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
        assert!(is_unavailable(&query(sqlx::Error::PoolTimedOut)));
        assert!(!is_unavailable(&DbErr::Type("no".to_owned())));
        assert!(!is_unavailable(&query(sqlx::Error::RowNotFound)));
    }

    #[tokio::test]
    async fn a_bad_address_is_refused_without_showing_it() {
        let config = PgConfig { url: "mysql://root:sesame@localhost/x".into(), ..PgConfig::default() };
        let error = connect(&config).await.expect_err("not PostgreSQL");
        assert!(!error.to_string().contains("sesame"));
    }
}
