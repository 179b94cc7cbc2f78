//! Kinds of faults.

use clap::ValueEnum;

/// What can be done to the platform. The names are those of `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A process is killed (SIGKILL).
    Kill,
    /// A process is stopped for a while and goes on (SIGSTOP, SIGCONT).
    Stop,
    /// Redis is killed and comes back empty.
    RedisRestartEmpty,
    /// Redis is killed and comes back as it was a while ago, like a replica that lagged behind.
    RedisLostWrites,
    /// Redis is stopped for a while.
    RedisFreeze,
    /// Nobody can connect to Redis for a while.
    RedisRefuse,
    /// PostgreSQL is killed, or ended in order, and started again.
    PostgresRestart,
    /// PostgreSQL is stopped for a while.
    PostgresFreeze,
    /// RabbitMQ is killed and started again.
    RabbitRestart,
    /// RabbitMQ is stopped for a while.
    RabbitFreeze,
    /// All connections of one link are reset.
    Cut,
    /// One link carries nothing for a while, and then goes on.
    Partition,
    /// One link carries everything a moment later, for a while.
    Slow,
    /// A process dies, panics or waits at some steps of its work.
    Failpoint,
    /// Webhooks are late, repeated, out of order, or lost.
    WebhookChaos,
    /// The provider is slow, fails, hangs, or does the work without an answer.
    ProviderChaos,
    /// The clock of a process is wrong for a while.
    Clock,
    /// A manager calls a show off, whatever else is going on: no fault, but nothing that is sold
    /// must be lost by it.
    CancelShow,
}

impl Kind {
    /// As `--only` takes it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        assert_eq!(Kind::RedisLostWrites.name(), "redis_lost_writes");
        assert!(Kind::value_variants().iter().all(|kind| !kind.name().is_empty()));
    }
}
