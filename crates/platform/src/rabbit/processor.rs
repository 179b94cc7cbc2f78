//! What is done with one message, and what becomes of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use events::Envelope;
use futures::FutureExt;
use kernel::source::{Clock, SystemClock};
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions},
};
use metrics::Histogram;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field::Empty};

use super::{
    Handler, HandlerError, Queue, RabbitError,
    answers::Answers,
    connection::Link,
    publisher::send_to_queue,
    topology::{self, Names},
};
use crate::{
    backoff::Backoff,
    faults::{mutant, reach},
    telemetry::{TARGET, in_span},
};

/// Bytes of a failure's text that are kept with a dead letter.
const FAILURE_LENGTH: usize = 1_000;
/// While something is away, a lane tries again after waits that grow between these.
const OUTAGE_FIRST: Duration = Duration::from_millis(100);
const OUTAGE_LIMIT: Duration = Duration::from_secs(10);
/// A longer outage is waited for in the last delayed queue: RabbitMQ closes the channel of a
/// consumer that does not answer for half an hour.
const OUTAGE_IN_PLACE: Duration = Duration::from_secs(15 * 60);
/// How long a lane waits when a message can neither be handled nor put aside.
const STUCK_DELAY: Duration = Duration::from_secs(1);

/// A delivery and what is in it.
pub(super) struct Message {
    pub(super) delivery: Delivery,
    pub(super) event: Result<Envelope, serde_json::Error>,
    /// When it came here. The broker counts from then on, also while it waits for its lane.
    pub(super) arrived: Instant,
}

/// What all lanes of a consumer share.
pub(super) struct Processor {
    pub(super) link: Arc<Link>,
    pub(super) channel: Channel,
    pub(super) answers: Answers,
    /// Held while a message is put aside: see [`send_to_queue`].
    pub(super) aside: Mutex<()>,
    pub(super) names: Names,
    pub(super) queue: Queue,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) soft: CancellationToken,
    /// How long an event is worked on.
    pub(super) took: Histogram,
    /// From what an event tells of until its effect is there.
    pub(super) age: Histogram,
}

/// What becomes of a message.
enum Fate {
    Done,
    Moved(Move),
}

/// A message goes to another queue.
struct Move {
    to: String,
    /// How often it has failed now.
    attempts: usize,
    failure: HandlerError,
    outcome: &'static str,
}

const DEAD: &str = "dead";

impl Processor {
    /// Handles the event and answers for it.
    pub(super) async fn process(&self, Message { delivery, event, arrived }: Message) {
        if self.is_lost(&delivery) {
            return;
        }
        let attempts = topology::attempts(&delivery.properties);
        let span = tracing::info_span!("event", queue = self.queue.name, name = Empty, id = Empty, attempts,);
        let processing = async {
            reach("consumer.received").await;
            if mutant("ack_before_commit") {
                return self.acknowledge_first(&delivery, event).await;
            }
            let result = match &event {
                Ok(event) => match self.handle_patiently(&delivery, event, arrived).await {
                    Some(result) => result,
                    None => return,
                },
                Err(error) => Err(HandlerError::reject(error.to_string())),
            };
            reach("consumer.handled").await;
            let fate = self.decide(result, attempts);
            if let Err(error) = self.link.alive(self.settle(&delivery, fate)).await {
                tracing::warn!(%error, "could not answer for an event; it will come again");
            }
        };
        processing.instrument(span).await;
    }

    /// True when the message is back in its queue, because its channel is gone: it comes again.
    fn is_lost(&self, delivery: &Delivery) -> bool {
        self.link.down().is_cancelled() || delivery.acker.poisoned()
    }

    /// Handles an event, and waits in place while something that it needs is away. `None` when
    /// there is nobody to answer any more (the connection is lost, or the process ends): the
    /// event comes again.
    async fn handle_patiently(
        &self,
        delivery: &Delivery,
        event: &Envelope,
        arrived: Instant,
    ) -> Option<Result<(), HandlerError>> {
        let mut backoff = Backoff::new(OUTAGE_FIRST, OUTAGE_LIMIT);
        loop {
            let start = Instant::now();
            let result = self.handle(event).await;
            self.took.record(start.elapsed());
            if result.is_ok() {
                self.age.record((SystemClock.now() - event.time).to_std().unwrap_or_default());
            }
            match result {
                Err(HandlerError::Unavailable(error)) if arrived.elapsed() < OUTAGE_IN_PLACE => {
                    tracing::warn!(%error, "something needed is away; waiting for it");
                    metrics::counter!("rabbitmq_outage_waits_total", "queue" => self.queue.name).increment(1);
                }
                result => return Some(result),
            }
            self.soft.run_until_cancelled(sleep(backoff.next())).await?;
            if self.is_lost(delivery) {
                return None;
            }
        }
    }

    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let span = tracing::Span::current();
        span.record("name", event.name.as_str());
        span.record("id", tracing::field::display(&event.id));
        let span = tracing::info_span!(
            target: TARGET,
            "process",
            otel.name = format_args!("process {}", self.queue.name),
            otel.kind = "consumer",
            otel.status_code = Empty,
            messaging.system = "rabbitmq",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = self.queue.name,
            messaging.rabbitmq.destination.routing_key = event.name,
            messaging.message.id = %event.id,
        );
        let handling = in_span(span.clone(), event.trace.clone(), self.handler.handle(event));
        let result = AssertUnwindSafe(handling)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(HandlerError::retry("the handler panicked")));
        if result.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        result
    }

    fn decide(&self, result: Result<(), HandlerError>, attempts: usize) -> Fate {
        let name = self.queue.name;
        let Err(failure) = result else {
            return Fate::Done;
        };
        let (delayed, attempts, outcome) = match &failure {
            HandlerError::Retry(_) => (self.names.retry(name, attempts + 1), attempts + 1, "retry"),
            HandlerError::Unavailable(_) => (self.names.last_retry(name), attempts, "unavailable"),
            HandlerError::Reject(_) => (None, attempts + 1, DEAD),
        };
        Fate::Moved(match delayed {
            Some(to) => Move { to, attempts, failure, outcome },
            None => Move { to: self.names.dead(name), attempts, failure, outcome: DEAD },
        })
    }

    /// Answers for a message, or has it answered for. One that moves is acknowledged only when the
    /// broker has confirmed its copy: it may be there twice for a moment, never not at all.
    async fn settle(&self, delivery: &Delivery, fate: Fate) -> Result<(), RabbitError> {
        let outcome = match fate {
            Fate::Done => {
                self.answers.done(delivery);
                "done"
            }
            Fate::Moved(moved) => {
                let outcome = moved.outcome;
                let aside = self.put_aside(delivery, moved).await;
                self.answers.not_ours(delivery);
                aside?;
                outcome
            }
        };
        metrics::counter!(
            "rabbitmq_consumed_total", "queue" => self.queue.name, "outcome" => outcome
        )
        .increment(1);
        Ok(())
    }

    /// The deliberate bug `ack_before_commit`.
    async fn acknowledge_first(&self, delivery: &Delivery, event: Result<Envelope, serde_json::Error>) {
        self.answers.not_ours(delivery);
        let acknowledged = delivery.acker.ack(BasicAckOptions::default()).await;
        if let (Ok(_), Ok(event)) = (acknowledged, event) {
            let outcome = self.handle(&event).await;
            tracing::warn!(ok = outcome.is_ok(), "handled what nobody will send again");
        }
    }

    async fn put_aside(&self, delivery: &Delivery, moved: Move) -> Result<(), RabbitError> {
        let Move { to, attempts, failure, outcome } = moved;
        if outcome == DEAD {
            tracing::error!(attempts, error = %failure, "event is now a dead letter");
        } else {
            tracing::warn!(attempts, error = %failure, to, "event will be tried again");
        }
        let mut failure = failure.to_string();
        failure.truncate(failure.floor_char_boundary(FAILURE_LENGTH));
        let properties = topology::republished(&delivery.properties, attempts, Some(&failure));
        let turn = self.aside.lock().await;
        let sent = send_to_queue(&self.channel, &to, &delivery.data, properties).await;
        drop(turn);
        if sent.is_err() && !delivery.acker.poisoned() {
            // The queue is full or missing. Not at once again, or this would spin.
            sleep(STUCK_DELAY).await;
            let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            delivery.acker.nack(requeue).await?;
        }
        sent?;
        reach("consumer.put_aside").await;
        delivery.acker.ack(BasicAckOptions::default()).await?;
        reach("consumer.acknowledged").await;
        Ok(())
    }
}
