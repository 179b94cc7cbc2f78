//! Dead letters: what admin commands see of them, and the way back.

use std::{sync::Arc, time::Duration};

use events::Envelope;
use lapin::{
    BasicProperties, Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::sleep;

use super::{
    RabbitError,
    connection::{Hub, Link},
    publisher::send_to_queue,
    topology::{self, FAILURE, short},
};

/// How often and how many times to look whether listed letters are back.
const RETURN_LOOK_EVERY: Duration = Duration::from_millis(10);
const RETURN_LOOKS: usize = 200;

/// A message that could not be handled.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event; `None` when the message is not an event at all.
    pub event: Option<Envelope>,
    /// How often it was tried.
    pub attempts: usize,
    /// The last failure, or the broker's reason.
    pub failure: String,
}

pub(super) async fn depth(hub: &Hub, name: &str) -> Result<u32, RabbitError> {
    let name = hub.names.queue(name);
    link(hub)?.on_channel(async |channel| queue_depth(channel, &name).await).await
}

pub(super) async fn list(hub: &Hub, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, RabbitError> {
    let (link, name) = (link(hub)?, hub.names.dead(queue));
    let letters = link
        .on_channel(async |channel| {
            let mut letters = Vec::new();
            while letters.len() < limit
                && let Some(message) = get(channel, &name).await?
            {
                letters.push(DeadLetter {
                    event: serde_json::from_slice(&message.data).ok(),
                    attempts: topology::attempts(&message.properties),
                    failure: failure(&message.properties),
                });
            }
            Ok(letters)
        })
        .await?;
    // None was acknowledged: with their channel they go back to where they were. That takes a
    // moment, in which a replay would not find them.
    link.on_channel(async |channel| {
        for _ in 0..RETURN_LOOKS {
            if queue_depth(channel, &name).await? as usize >= letters.len() {
                break;
            }
            sleep(RETURN_LOOK_EVERY).await;
        }
        Ok(())
    })
    .await?;
    Ok(letters)
}

pub(super) async fn replay(hub: &Hub, queue: &str, limit: usize) -> Result<usize, RabbitError> {
    let (from, to) = (hub.names.dead(queue), hub.names.queue(queue));
    link(hub)?
        .on_channel(async |channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            // Not more than are there now: one that dies again at once is not replayed forever.
            let there = queue_depth(channel, &from).await? as usize;
            let mut moved = 0;
            while moved < limit.min(there)
                && let Some(message) = get(channel, &from).await?
            {
                let properties = topology::republished(&message.properties, 0, None);
                send_to_queue(channel, &to, &message.data, properties).await?;
                message.acker.ack(BasicAckOptions::default()).await?;
                moved += 1;
            }
            Ok(moved)
        })
        .await
}

fn link(hub: &Hub) -> Result<Arc<Link>, RabbitError> {
    hub.current().ok_or(RabbitError::NotConnected)
}

async fn queue_depth(channel: &Channel, name: &str) -> Result<u32, RabbitError> {
    let looking = QueueDeclareOptions::durable().passive();
    let queue = channel.queue_declare(short(name), looking, FieldTable::default()).await?;
    Ok(queue.message_count())
}

async fn get(channel: &Channel, name: &str) -> Result<Option<BasicGetMessage>, RabbitError> {
    Ok(channel.basic_get(short(name), BasicGetOptions::default()).await?)
}

fn failure(properties: &BasicProperties) -> String {
    // RabbitMQ's own header, for messages that it moved itself:
    // https://www.rabbitmq.com/docs/dlx#effects
    const BROKERS_REASON: &str = "x-first-death-reason";
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    headers
        .and_then(|headers| headers.get(FAILURE).or_else(|| headers.get(BROKERS_REASON)))
        .map_or_else(|| "unknown".to_owned(), text)
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        _ => "unknown".to_owned(),
    }
}
