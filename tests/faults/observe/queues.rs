//! What RabbitMQ has.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{Rabbit, Shutdown, rabbit::RabbitConfig};
use tokio::time::timeout;

use crate::actors::RabbitTarget;

/// Queues that are looked at at the same time.
const AT_ONCE: usize = 8;
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// Looks into the queues.
pub struct Queues {
    rabbit: Rabbit,
    /// The connection ends with it.
    shutdown: Shutdown,
    /// All of them, with those of retries and of dead letters.
    names: Vec<String>,
}

impl Queues {
    /// Connects.
    ///
    /// # Errors
    /// When RabbitMQ does not answer.
    pub async fn connect(target: &RabbitTarget) -> Result<Self> {
        let config = RabbitConfig {
            url: target.url.as_str().into(),
            prefix: target.prefix.clone(),
            ..RabbitConfig::default()
        };
        let shutdown = Shutdown::new();
        let rabbit = Rabbit::connect(&config, &shutdown)?;
        timeout(CONNECT_WITHIN, rabbit.connected()).await.context("RabbitMQ does not answer")?;
        let names = target.queues.iter().flat_map(|queue| family(queue, &target.retry_delays_ms)).collect();
        Ok(Self { rabbit, shutdown, names })
    }

    /// Messages that wait, by queue; empty queues are left out.
    ///
    /// # Errors
    /// When RabbitMQ does not answer.
    pub async fn depths(&self) -> Result<Vec<(String, u64)>> {
        let looking = self.names.iter().map(|name| async move {
            let depth = self.rabbit.depth(name).await.with_context(|| format!("queue {name}"))?;
            anyhow::Ok((name.clone(), u64::from(depth)))
        });
        let depths: Vec<_> = stream::iter(looking).buffered(AT_ONCE).try_collect().await?;
        Ok(depths.into_iter().filter(|(_, depth)| *depth > 0).collect())
    }

    /// Hangs up.
    pub async fn close(self) {
        self.shutdown.finish(Duration::ZERO).await;
    }
}

/// A queue, its dead letters, and where messages wait to be tried again.
fn family(queue: &str, delays_ms: &[u32]) -> Vec<String> {
    let retries = delays_ms.iter().map(|delay| format!("{queue}.retry.{}", label(*delay)));
    [queue.to_owned(), format!("{queue}.dead")].into_iter().chain(retries).collect()
}

/// A delay as the names of queues have it.
fn label(delay_ms: u32) -> String {
    match delay_ms {
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_comes_with_its_retries_and_dead_letters() {
        assert_eq!(
            family("booking.payments", &[100, 1_000]),
            [
                "booking.payments",
                "booking.payments.dead",
                "booking.payments.retry.100ms",
                "booking.payments.retry.1s"
            ]
        );
    }
}
