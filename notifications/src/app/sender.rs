//! Sends what is due.
//!
//! A delivery is first taken on for a while (in one statement, so by one worker), then sent, then
//! marked. A worker that dies in between leaves it to the next one after that while. Whether the
//! message had left by then nobody knows, so it is sent again; see the mailers for what that means
//! for each of them.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use platform::{
    Shutdown,
    faults::reach,
    telemetry::{TARGET, in_span},
};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tracing::{Instrument as _, field::Empty};

use super::{
    compose::{ComposeError, Composer},
    marker::Marker,
};
use crate::{
    domain::{Notice, RetryPolicy},
    mail::{MailError, Mailer},
    store::delivery::{self, Delivery},
};

/// A worker that has taken on a delivery and not marked it after so many times what a message may
/// take counts as dead: enough for a whole batch, each message of which takes as long as it may.
const LEASE: u32 = 5;
/// Deliveries taken on at a time, for each that is sent at the same time: enough to keep all busy.
const BATCHES: usize = 4;
/// Whoever is woken waits so long for more: one statement takes on many deliveries as well as one.
const GATHER: Duration = Duration::from_millis(20);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The booking's event came before the one that tells who its owner is.
pub(super) const RECIPIENT_UNKNOWN: &str = "recipient unknown";

/// Sends what is due until told to stop.
pub(crate) struct Sender {
    pub pg: DatabaseConnection,
    pub marker: Marker,
    pub mailer: Arc<dyn Mailer>,
    pub composer: Composer,
    pub retry: RetryPolicy,
    pub concurrency: usize,
    pub poll: Duration,
    pub wake: Arc<Notify>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{RECIPIENT_UNKNOWN}")]
    RecipientUnknown,
    #[error("stored facts do not fit their kind")]
    Facts(#[from] serde_json::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl AttemptError {
    /// Whether the next attempt would end the same way.
    const fn is_permanent(&self) -> bool {
        match self {
            Self::RecipientUnknown => false,
            Self::Facts(_) | Self::Compose(_) => true,
            Self::Mail(error) => error.permanent,
        }
    }
}

impl Sender {
    /// Sends until the soft step of `shutdown`; what was taken on is finished.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let stop = shutdown.token();
        while !stop.is_cancelled() {
            let rest = match self.send_due().await {
                // There may be more.
                Ok(sent) if sent >= self.batch() => continue,
                Ok(_) => self.poll,
                Err(error) => {
                    tracing::warn!(%error, "cannot look for deliveries that are due");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => sleep(GATHER).await,
                () = sleep(rest) => {}
            }
        }
    }

    const fn batch(&self) -> usize {
        self.concurrency * BATCHES
    }

    /// Takes on a batch and attempts each; tells how many there were.
    async fn send_due(&self) -> Result<usize, DbErr> {
        let longest = self.mailer.longest_send();
        let lease = longest * LEASE;
        // Before the database began to count.
        let begun = Instant::now();
        let due = delivery::delivery_claim(&self.pg, self.batch(), lease).await?;
        reach("notify.claimed").await;
        stream::iter(&due)
            .for_each_concurrent(self.concurrency, async |delivery| {
                // When the batch was held up for too long, its rest belongs to the next worker.
                if begun.elapsed() + longest < lease {
                    let span = tracing::info_span!(
                        target: TARGET,
                        "deliver",
                        otel.name = format_args!("deliver {}", delivery.kind),
                        notification.attempts = i64::from(delivery.attempts()),
                    );
                    in_span(span, delivery.trace.clone(), self.settle(delivery)).await;
                }
            })
            .await;
        Ok(due.len())
    }

    /// Attempts a delivery and marks how it went.
    async fn settle(&self, delivery: &Delivery) {
        let outcome = self.attempt(delivery).await;
        reach("notify.sent").await;
        let label = match outcome {
            Ok(()) => {
                if let Some(age) = self.marker.sent(delivery).await {
                    metrics::histogram!("notification_delivery_age_seconds").record(age);
                }
                "sent"
            }
            Err(error) => {
                let delay =
                    (!error.is_permanent()).then(|| self.retry.delay_after(delivery.attempts())).flatten();
                self.log(delivery, &error, delay.is_some());
                let reason = error.to_string();
                self.mark_failed(delivery, &reason, delay).await;
                if delay.is_some() { "retry" } else { "gave_up" }
            }
        };
        reach("notify.marked").await;
        metrics::counter!(
            "notification_attempts_total",
            "kind" => delivery.kind.clone(), "outcome" => label
        )
        .increment(1);
    }

    /// Marks a delivery as failed, for as long as it takes; else it would be tried again when its lease
    /// ends, and not when it should be.
    async fn mark_failed(&self, delivery: &Delivery, reason: &str, delay: Option<Duration>) {
        while let Err(error) = delivery::delivery_failed(&self.pg, delivery, reason, delay).await {
            tracing::warn!(event = %delivery.event(), %error, "cannot mark a delivery; trying again");
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), AttemptError> {
        let recipient = delivery.recipient().ok_or(AttemptError::RecipientUnknown)?;
        let notice = Notice::restore(&delivery.kind, &delivery.facts)?;
        let message = self.composer.compose(delivery.event(), delivery.created_at, &notice, recipient)?;
        let span = tracing::info_span!(
            target: TARGET,
            "send mail",
            otel.kind = "client",
            otel.status_code = Empty,
        );
        let sent = self.mailer.send(delivery.event(), &message).instrument(span.clone()).await;
        if sent.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        Ok(sent?)
    }

    fn log(&self, delivery: &Delivery, error: &AttemptError, again: bool) {
        let (event, kind) = (delivery.event(), &delivery.kind);
        let attempts = delivery.attempts();
        if again {
            tracing::warn!(%event, kind, attempts, %error, "delivery failed; will be tried again");
        } else {
            tracing::error!(%event, kind, attempts, %error, "delivery given up");
        }
    }
}
