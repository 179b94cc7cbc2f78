//! Whether PostgreSQL is there, and how busy the pool is, as metrics.

use std::time::Duration;

use metrics::Gauge;
use sea_orm::{DatabaseConnection, DbErr, error::ConnAcquireErr};
use tokio::time::{sleep, timeout};

use super::{is_unavailable, ping};
use crate::Shutdown;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// A server that does not answer a sign of life for longer is away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks after the pool until the hard step of `shutdown`.
pub(crate) fn watch(pg: &DatabaseConnection, shutdown: &Shutdown) {
    let (pg, hard) = (pg.clone(), shutdown.hard());
    shutdown.spawn_background("postgres-watch", async move {
        let watching = async {
            let gauges = Gauges::new(&pg);
            loop {
                gauges.observe(&pg).await;
                sleep(EVERY).await;
            }
        };
        hard.run_until_cancelled(watching).await;
    });
}

struct Gauges {
    used: Gauge,
    idle: Gauge,
    away: Gauge,
}

impl Gauges {
    fn new(pg: &DatabaseConnection) -> Self {
        let limit = pg.get_postgres_connection_pool().options().get_max_connections();
        metrics::gauge!("postgres_pool_limit").set(limit);
        let connections =
            |state: &'static str| metrics::gauge!("postgres_pool_connections", "state" => state);
        Self { used: connections("used"), idle: connections("idle"), away: metrics::gauge!("postgres_away") }
    }

    async fn observe(&self, pg: &DatabaseConnection) {
        let pool = pg.get_postgres_connection_pool();
        let idle = pool.num_idle();
        self.idle.set(idle as f64);
        self.used.set(f64::from(pool.size()) - idle as f64);
        match timeout(PATIENCE, ping(pg)).await {
            Ok(Ok(())) => self.away.set(0.0),
            // The pool is exhausted: of the server this says nothing.
            Ok(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))) if self.is_full(pg) => {}
            Ok(Err(error)) if !is_unavailable(&error) => self.away.set(0.0),
            Ok(Err(_)) | Err(_) => self.away.set(1.0),
        }
    }

    fn is_full(&self, pg: &DatabaseConnection) -> bool {
        let pool = pg.get_postgres_connection_pool();
        pool.size() >= pool.options().get_max_connections()
    }
}
