//! A process that hangs inside a transaction.

use platform::pg::{self, PgConfig};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};

use crate::support::{database, within};

/// A transaction that has a lock, says nothing more, and whose lock others get all the same; and the
/// pool whose only connection it has.
async fn hung(config: &PgConfig) -> (DatabaseConnection, DatabaseTransaction) {
    let quick = PgConfig { transaction_idle_timeout_ms: 100, max_connections: 1, ..config.clone() };
    let pool = pg::connect(&quick).await.unwrap();
    let hanging = pool.begin().await.unwrap();
    hanging.execute_unprepared("update seats set owner = 'hung'").await.unwrap();
    let other = pg::connect(config).await.unwrap();
    within("the lock", other.execute_unprepared("update seats set owner = 'other'")).await.unwrap();
    (pool, hanging)
}

#[tokio::test]
async fn a_transaction_that_hangs_loses_its_locks_and_is_told_to_try_again() {
    let config = database().await;
    let pg = pg::connect(&config).await.unwrap();
    pg.execute_unprepared("create table seats (owner text); insert into seats values ('nobody')")
        .await
        .unwrap();

    let (pool, hanging) = hung(&config).await;
    let error = hanging.execute_unprepared("select 1").await.unwrap_err();
    assert!(pg::is_unavailable(&error), "{error:?}");
    drop(hanging);
    within("another connection", pg::ping(&pool)).await.unwrap();

    let (pool, hanging) = hung(&config).await;
    let error = hanging.commit().await.unwrap_err();
    assert!(pg::is_unavailable(&error), "{error:?}");
    within("another connection", pg::ping(&pool)).await.unwrap();
}
