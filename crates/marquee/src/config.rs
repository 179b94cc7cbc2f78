//! The configuration of a process: one section per part, each checked.

use std::net::SocketAddr;

use garde::Validate;
use platform::{
    DepsConfig, pg::PgConfig, rabbit::RabbitConfig, redis::RedisConfig, telemetry::TelemetryConfig,
};
use serde::Deserialize;

/// All sections. A process reads those of its roles.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Logs and metrics.
    #[garde(dive)]
    pub telemetry: TelemetryConfig,
    /// PostgreSQL.
    #[garde(dive)]
    pub pg: PgConfig,
    /// Redis.
    #[garde(dive)]
    pub redis: RedisConfig,
    /// RabbitMQ.
    #[garde(dive)]
    pub rabbit: RabbitConfig,
    /// The role `gateway`.
    #[garde(dive)]
    pub gateway: gateway::Config,
    /// The role `catalog`.
    #[garde(dive)]
    pub catalog: catalog::Config,
    /// The role `booking`, and its part of the role `worker`.
    #[garde(dive)]
    pub booking: booking::Config,
    /// The role `user`.
    #[garde(dive)]
    pub user: user::Config,
    /// Messages to people; part of the role `worker`.
    #[garde(dive)]
    pub notifications: notifications::Config,
    /// The role `worker` itself.
    #[garde(dive)]
    pub worker: WorkerConfig,
}

impl Config {
    /// What the clients of the stores need.
    pub fn deps(&self) -> DepsConfig {
        DepsConfig { pg: self.pg.clone(), redis: self.redis.clone(), rabbit: self.rabbit.clone() }
    }
}

/// The role `worker`.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Where health, readiness and metrics are served.
    #[garde(skip)]
    pub listen: SocketAddr,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 4004)) }
    }
}
