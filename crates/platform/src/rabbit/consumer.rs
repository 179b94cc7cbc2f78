//! Consuming a queue: lanes, acknowledgements, delayed retries, dead letters.

use std::{panic::AssertUnwindSafe, sync::Arc};

use events::Envelope;
use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, ConfirmSelectOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Handler, HandlerError, Queue, RabbitError,
    connection::{Hub, Link, close},
    publisher::send_to_queue,
    topology::{self, STUCK_DELAY, lane, short},
};
use crate::{Shutdown, backoff::Backoff, telemetry::with_trace};

/// Bytes of a failure's text that are kept with a dead letter.
const FAILURE_LENGTH: usize = 1_000;

/// A delivery and what is in it.
type Message = (Delivery, Result<Envelope, serde_json::Error>);

/// Consumes until the soft step, on one connection after the other.
pub(super) fn spawn(
    hub: Arc<Hub>,
    queue: Queue,
    handler: Arc<dyn Handler>,
    shutdown: &Shutdown,
) {
    let soft = shutdown.token();
    shutdown.spawn(queue.name, async move {
        if let Err(error) = hub.declare(&[queue]).await {
            tracing::warn!(queue = queue.name, %error, "cannot declare the queue yet");
        }
        let mut backoff = Backoff::for_connections();
        while let Some(link) = soft.run_until_cancelled(hub.link()).await {
            let start = Instant::now();
            match session(&hub, &link, queue, &handler, &soft).await {
                Ok(()) if soft.is_cancelled() => return,
                Ok(()) => tracing::warn!(queue = queue.name, "the broker ended the consumer"),
                Err(error) => tracing::warn!(queue = queue.name, %error, "consumer lost"),
            }
            let wait = backoff.next();
            if start.elapsed() > wait {
                backoff.reset();
            }
            soft.run_until_cancelled(sleep(wait)).await;
        }
    });
}

/// Consumes on one connection until the soft step or until something breaks, and in both cases
/// until the last event that was begun is finished: on the next connection the same events come
/// again, and must not meet themselves.
async fn session(
    hub: &Hub,
    link: &Link,
    queue: Queue,
    handler: &Arc<dyn Handler>,
    soft: &CancellationToken,
) -> Result<(), RabbitError> {
    let channel = link.channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let prefetch = queue.prefetch.max(1);
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let deliveries = channel
        .basic_consume(
            short(&hub.names.queue(queue.name)),
            short(""),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let session = Arc::new(Session {
        channel: channel.clone(),
        names: hub.names.clone(),
        queue,
        handler: Arc::clone(handler),
    });
    let mut running = JoinSet::new();
    let mut lanes = Vec::with_capacity(queue.lanes);
    for _ in 0..queue.lanes.max(1) {
        // The broker sends no more than `prefetch` without an answer, so this never fills up.
        let (sender, mut messages) = mpsc::channel::<Message>(prefetch.into());
        let session = Arc::clone(&session);
        running.spawn(
            async move {
                while let Some((delivery, event)) = messages.recv().await {
                    session.process(delivery, event).await;
                }
            }
            .in_current_span(),
        );
        lanes.push(sender);
    }
    let outcome = dispatch(&channel, deliveries, &lanes, soft).await;
    drop(lanes);
    while running.join_next().await.is_some() {}
    close(&channel).await;
    outcome
}

/// Hands deliveries to their lanes.
async fn dispatch(
    channel: &Channel,
    mut deliveries: Consumer,
    lanes: &[mpsc::Sender<Message>],
    soft: &CancellationToken,
) -> Result<(), RabbitError> {
    let mut cancelled = false;
    loop {
        let delivery = tokio::select! {
            biased;
            () = soft.cancelled(), if !cancelled => {
                cancelled = true;
                // What was sent before this arrives still comes; then the stream ends.
                channel
                    .basic_cancel(deliveries.tag(), BasicCancelOptions::default())
                    .await?;
                continue;
            }
            delivery = deliveries.next() => delivery,
        };
        let Some(delivery) = delivery.transpose()? else {
            return Ok(());
        };
        let event = serde_json::from_slice::<Envelope>(&delivery.data);
        let place = event
            .as_ref()
            .map_or(0, |event| lane(event.key.as_u128(), lanes.len()));
        // A lane ends only after its sender, so it takes everything.
        if let Some(lane) = lanes.get(place) {
            let _ = lane.send((delivery, event)).await;
        }
    }
}

/// What lanes need.
struct Session {
    channel: Channel,
    names: topology::Names,
    queue: Queue,
    handler: Arc<dyn Handler>,
}

/// What becomes of a message.
enum Fate {
    Done,
    /// Goes to this queue, with this number of failed attempts.
    Move {
        to: String,
        attempts: usize,
        failure: HandlerError,
        outcome: &'static str,
    },
}

impl Session {
    async fn process(&self, delivery: Delivery, event: Result<Envelope, serde_json::Error>) {
        if delivery.acker.poisoned() {
            // The connection is gone: the message is back in its queue and will come again.
            return;
        }
        let attempts = topology::attempts(&delivery.properties);
        let span = tracing::info_span!(
            "event",
            queue = self.queue.name,
            name = tracing::field::Empty,
            id = tracing::field::Empty,
            traceparent = tracing::field::Empty,
            attempts,
        );
        async {
            let start = Instant::now();
            let result = match &event {
                Ok(event) => self.handle(event).await,
                Err(error) => Err(HandlerError::reject(error.to_string())),
            };
            metrics::histogram!("rabbitmq_handle_seconds", "queue" => self.queue.name)
                .record(start.elapsed());
            let fate = self.decide(result, attempts);
            if let Err(error) = self.settle(&delivery, fate).await {
                tracing::warn!(%error, "could not answer for an event; it will come again");
            }
        }
        .instrument(span)
        .await;
    }

    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let span = tracing::Span::current();
        span.record("name", event.name.as_str());
        span.record("id", tracing::field::display(&event.id));
        if let Some(trace) = &event.trace {
            span.record("traceparent", trace.as_str());
        }
        let handling = with_trace(event.trace.clone(), self.handler.handle(event));
        AssertUnwindSafe(handling)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(HandlerError::retry("the handler panicked")))
    }

    fn decide(&self, result: Result<(), HandlerError>, attempts: usize) -> Fate {
        let name = self.queue.name;
        let Err(failure) = result else {
            return Fate::Done;
        };
        let (queue, attempts, outcome) = match &failure {
            HandlerError::Retry(_) => (self.names.retry(name, attempts + 1), attempts + 1, "retry"),
            HandlerError::Unavailable(_) => (self.names.unavailable(name), attempts, "unavailable"),
            HandlerError::Reject(_) => (None, attempts + 1, "rejected"),
        };
        match queue {
            Some(to) => Fate::Move {
                to,
                attempts,
                failure,
                outcome,
            },
            None => Fate::Move {
                to: self.names.dead(name),
                attempts,
                failure,
                outcome: "dead",
            },
        }
    }

    /// Answers for a message. One that moves is acknowledged only when the broker has confirmed
    /// its copy: it may be there twice for a moment, never not at all.
    async fn settle(&self, delivery: &Delivery, fate: Fate) -> Result<(), RabbitError> {
        let outcome = match &fate {
            Fate::Done => "done",
            Fate::Move { outcome, .. } => outcome,
        };
        metrics::counter!(
            "rabbitmq_consumed_total",
            "queue" => self.queue.name,
            "outcome" => outcome
        )
        .increment(1);
        if let Fate::Move {
            to,
            attempts,
            failure,
            outcome,
        } = fate
        {
            if outcome == "dead" {
                tracing::error!(attempts, error = %failure, "event is now a dead letter");
            } else {
                tracing::warn!(attempts, error = %failure, to, "event will be tried again");
            }
            let mut failure = failure.to_string();
            failure.truncate(failure.floor_char_boundary(FAILURE_LENGTH));
            let properties =
                topology::republished(&delivery.properties, attempts, Some(&failure));
            let moved = send_to_queue(&self.channel, &to, &delivery.data, properties).await;
            if let Err(error) = moved {
                if !delivery.acker.poisoned() {
                    // The queue is full or missing. Not at once again, or this would spin.
                    sleep(STUCK_DELAY).await;
                    let requeue = BasicNackOptions {
                        requeue: true,
                        ..BasicNackOptions::default()
                    };
                    delivery.acker.nack(requeue).await?;
                }
                return Err(error);
            }
        }
        delivery.acker.ack(BasicAckOptions::default()).await?;
        Ok(())
    }
}
