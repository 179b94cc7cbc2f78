//! Everything a role needs from outside itself, made once in `main`.

use kernel::source::{SharedClock, SharedIds};
use sea_orm::DatabaseConnection;

use crate::{
    Shutdown,
    auth::Verifiers,
    pg::{self, PgConfig, PgError},
    rabbit::{Rabbit, RabbitConfig, RabbitError},
    redis::{Redis, RedisConfig, RedisError},
};

/// The sections `[pg]`, `[redis]` and `[rabbit]` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct DepsConfig {
    /// PostgreSQL, the truth.
    pub pg: PgConfig,
    /// Redis, holds and fan-out.
    pub redis: RedisConfig,
    /// RabbitMQ, events.
    pub rabbit: RabbitConfig,
}

/// Shared clients and sources; cheap to clone.
#[derive(Clone)]
pub struct Deps {
    /// The pool of connections to PostgreSQL.
    pub pg: DatabaseConnection,
    /// Commands, scripts and subscriptions.
    pub redis: Redis,
    /// Publishing and consuming.
    pub rabbit: Rabbit,
    /// The time.
    pub clock: SharedClock,
    /// New ids and random bytes.
    pub ids: SharedIds,
    /// Who can tell whether access tokens are good.
    pub verifiers: Verifiers,
}

/// The configuration of a dependency cannot work. A dependency that is merely away is no error.
#[derive(Debug, thiserror::Error)]
pub enum DepsError {
    /// PostgreSQL.
    #[error(transparent)]
    Pg(#[from] PgError),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// RabbitMQ.
    #[error(transparent)]
    Rabbit(#[from] RabbitError),
}

impl Deps {
    /// Makes the clients and begins to connect in the background; returns at once, whether the
    /// servers are there or not. Connections are closed at [`Shutdown::hard`].
    ///
    /// # Errors
    /// An address cannot be parsed.
    pub async fn connect(
        config: &DepsConfig,
        clock: SharedClock,
        ids: SharedIds,
        shutdown: &Shutdown,
    ) -> Result<Self, DepsError> {
        let pg = pg::connect(&config.pg).await?;
        pg::watch(&pg, shutdown);
        Ok(Self {
            pg,
            redis: Redis::connect(&config.redis, shutdown)?,
            rabbit: Rabbit::connect(&config.rabbit, shutdown)?,
            clock,
            ids,
            verifiers: Verifiers::default(),
        })
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}
