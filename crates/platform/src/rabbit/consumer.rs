//! Consuming a queue: one channel, several lanes.

use std::{pin::pin, sync::Arc};

use events::Envelope;
use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Handler, Queue, RabbitError,
    answers::Answers,
    connection::{Hub, Link},
    depths,
    processor::{Message, Processor},
    topology::{lane, short},
};
use crate::{Shutdown, backoff::Backoff};

/// Consumes until the soft step, on one connection after the other.
pub(super) fn spawn(hub: Arc<Hub>, queue: Queue, handler: Arc<dyn Handler>, shutdown: &Shutdown) {
    depths::watch(Arc::clone(&hub), queue, shutdown);
    let soft = shutdown.token();
    shutdown.spawn(queue.name, async move {
        let mut backoff = Backoff::for_connections();
        loop {
            if let Err(error) = hub.declare(&[queue]).await {
                tracing::warn!(queue = queue.name, %error, "cannot declare the queue");
            }
            let Some(link) = soft.run_until_cancelled(hub.link()).await else {
                return;
            };
            let start = Instant::now();
            match session(&hub, &link, queue, &handler, &soft).await {
                Ok(()) if soft.is_cancelled() => return,
                Ok(()) => tracing::warn!(queue = queue.name, "the broker ended the consumer"),
                Err(error) => tracing::warn!(queue = queue.name, %error, "consumer lost"),
            }
            // Somebody may have deleted the queue.
            link.forget(&queue);
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
    link: &Arc<Link>,
    queue: Queue,
    handler: &Arc<dyn Handler>,
    soft: &CancellationToken,
) -> Result<(), RabbitError> {
    let channel = link.channel().await?;
    let prefetch = queue.prefetch.max(1);
    let name = hub.names.queue(queue.name);
    let deliveries = link.alive(subscribe(&channel, &name, prefetch)).await?;
    let processor = Arc::new(Processor {
        link: Arc::clone(link),
        channel: channel.clone(),
        answers: Answers::new(channel.clone(), prefetch),
        aside: Mutex::default(),
        names: hub.names.clone(),
        queue,
        handler: Arc::clone(handler),
        soft: soft.clone(),
        took: metrics::histogram!("rabbitmq_handle_seconds", "queue" => queue.name),
        age: metrics::histogram!("rabbitmq_event_age_seconds", "queue" => queue.name),
    });
    let mut running = JoinSet::new();
    let mut lanes = Vec::with_capacity(queue.lanes);
    for _ in 0..queue.lanes.max(1) {
        // The broker sends no more than `prefetch` without an answer, so this never fills up.
        let (sender, mut messages) = mpsc::channel::<Message>(prefetch.into());
        let working = Arc::clone(&processor);
        let lane = async move {
            while let Some(message) = messages.recv().await {
                working.process(message).await;
            }
        };
        running.spawn(lane.in_current_span());
        lanes.push(sender);
    }
    let mut answering = pin!(processor.answers.keep());
    let outcome = tokio::select! {
        outcome = link.alive(dispatch(&channel, deliveries, &lanes, &processor.answers, soft)) => outcome,
        // A lane outlives its sender, unless it panicked. Without it a share of the shows would be
        // forgotten; with the channel closed, what it had comes again.
        Some(_) = running.join_next() => Err(RabbitError::Lane),
        () = &mut answering => Ok(()),
    };
    drop(lanes);
    let finishing = async {
        while running.join_next().await.is_some() {}
        processor.answers.close();
    };
    let answered = async {
        answering.await;
        Ok(())
    };
    if tokio::join!(finishing, link.alive(answered)).1.is_err() {
        tracing::debug!(queue = queue.name, "what was done last comes again");
    }
    link.close_channel(&channel).await;
    outcome
}

async fn subscribe(channel: &Channel, queue: &str, prefetch: u16) -> Result<Consumer, RabbitError> {
    // Retries and dead letters are published on the same channel.
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let tag_of_the_brokers_choice = short("");
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(short(queue), tag_of_the_brokers_choice, options, FieldTable::default()).await?)
}

/// Hands deliveries to their lanes, until the broker sends no more.
async fn dispatch(
    channel: &Channel,
    mut deliveries: Consumer,
    lanes: &[mpsc::Sender<Message>],
    answers: &Answers,
    soft: &CancellationToken,
) -> Result<(), RabbitError> {
    let mut cancelled = false;
    loop {
        let delivery = tokio::select! {
            biased;
            () = soft.cancelled(), if !cancelled => {
                cancelled = true;
                // What was sent before this arrives still comes; then the stream ends.
                channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default()).await?;
                continue;
            }
            delivery = deliveries.next() => delivery,
        };
        let Some(delivery) = delivery.transpose()? else {
            return Ok(());
        };
        answers.taken(&delivery);
        let event = serde_json::from_slice::<Envelope>(&delivery.data);
        let place = event.as_ref().map_or(0, |event| lane(event.key.as_u128(), lanes.len()));
        // A lane ends only after its sender, so it takes everything.
        if let Some(lane) = lanes.get(place) {
            let _ = lane.send(Message { delivery, event, arrived: Instant::now() }).await;
        }
    }
}
