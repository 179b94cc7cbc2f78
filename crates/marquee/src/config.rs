//! The configuration of a process: one section per part, each checked.

use std::{collections::BTreeSet, net::SocketAddr};

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
    /// What this process does of the role: all of it, unless said otherwise, as in
    /// `parts = ["relay", "booking"]`. Each part has to be done by some worker, and may be done by many.
    #[garde(length(min = 1))]
    pub parts: BTreeSet<WorkerPart>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 4004)), parts: WorkerPart::ALL.into() }
    }
}

/// A part of the role `worker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerPart {
    /// Consumers and periodic jobs of booking: payments, refunds, seats.
    Booking,
    /// Mails.
    Notifications,
    /// Periodic jobs of user.
    User,
    /// Publishes the outboxes of all schemas.
    Relay,
}

impl WorkerPart {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Booking, Self::Notifications, Self::User, Self::Relay];
}

#[cfg(test)]
mod tests {
    use platform::config::load_from;

    use super::*;

    fn parts(list: &str) -> Result<BTreeSet<WorkerPart>, String> {
        let variable = ("MARQUEE_WORKER__PARTS".to_owned(), list.to_owned());
        let config = load_from::<Config>(None, [variable]);
        config.map(|config| config.worker.parts).map_err(|error| error.to_string())
    }

    #[test]
    fn a_worker_does_everything_unless_told_otherwise() {
        assert_eq!(WorkerConfig::default().parts.len(), WorkerPart::ALL.len());
        let two = BTreeSet::from([WorkerPart::Relay, WorkerPart::Notifications]);
        assert_eq!(parts(r#"["notifications", "relay", "relay"]"#), Ok(two));
    }

    #[test]
    fn a_worker_without_parts_or_with_an_unknown_one_does_not_start() {
        for list in ["[]", r#"["mails"]"#] {
            let error = parts(list).unwrap_err();
            assert!(error.contains("worker.parts") && error.contains("MARQUEE_WORKER__PARTS"), "{error}");
        }
    }
}
