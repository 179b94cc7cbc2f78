//! How many messages wait in a queue and around it, as metrics.

use std::{sync::Arc, time::Duration};

use lapin::Channel;
use metrics::Gauge;
use tokio::time::sleep;

use super::{Queue, RabbitError, connection::Hub, dead::queue_depth};
use crate::Shutdown;

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(10);

/// Tells of `queue` until the soft step of `shutdown`.
pub(super) fn watch(hub: Arc<Hub>, queue: Queue, shutdown: &Shutdown) {
    let soft = shutdown.token();
    let watching = async move {
        let gauges = Gauges::new(queue.name);
        loop {
            let link = hub.link().await;
            let asking = async {
                hub.declare(&[queue]).await?;
                link.on_channel(async |channel| gauges.observe(channel, &hub, queue.name).await).await
            };
            if let Err(error) = asking.await {
                tracing::debug!(queue = queue.name, %error, "cannot tell how many messages wait");
            }
            sleep(EVERY).await;
        }
    };
    shutdown.spawn("queue-depth", async move {
        soft.run_until_cancelled(watching).await;
    });
}

struct Gauges {
    /// Ready for a consumer.
    waiting: Gauge,
    /// Failed, and to be tried again.
    delayed: Gauge,
    /// Given up.
    dead: Gauge,
}

impl Gauges {
    fn new(queue: &'static str) -> Self {
        let gauge =
            |kind: &'static str| metrics::gauge!("rabbitmq_queue_depth", "queue" => queue, "kind" => kind);
        Self { waiting: gauge("waiting"), delayed: gauge("delayed"), dead: gauge("dead") }
    }

    async fn observe(&self, channel: &Channel, hub: &Hub, queue: &str) -> Result<(), RabbitError> {
        let names = &hub.names;
        self.waiting.set(queue_depth(channel, &names.queue(queue)).await?);
        let mut delayed = 0;
        for name in names.retries(queue) {
            delayed += queue_depth(channel, &name).await?;
        }
        self.delayed.set(delayed);
        self.dead.set(queue_depth(channel, &names.dead(queue)).await?);
        Ok(())
    }
}
