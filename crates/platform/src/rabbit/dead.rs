//! Dead letters: what admin commands see of them, and the way back.

use std::{sync::Arc, time::Duration};

use events::Envelope;
use lapin::{
    BasicProperties, Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use sha1::{Digest, Sha1};
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
    /// What [`crate::Rabbit::replay_one`] calls it: the id of its event, else the message's own,
    /// else the SHA-1 of what it says.
    pub id: String,
    /// The event; `None` when the message is not an event at all.
    pub event: Option<Envelope>,
    /// What it says, as it came.
    pub payload: Vec<u8>,
    /// How often it was tried.
    pub attempts: usize,
    /// The last failure, or the broker's reason.
    pub failure: String,
}

impl DeadLetter {
    fn read(message: &BasicGetMessage) -> Self {
        let (properties, payload) = (&message.properties, message.data.clone());
        let event: Option<Envelope> = serde_json::from_slice(&payload).ok();
        let own = || properties.message_id().as_ref().map(ToString::to_string);
        let digest = || Sha1::digest(&payload).iter().map(|byte| format!("{byte:02x}")).collect();
        let id = event.as_ref().map(|event| event.id.to_string()).or_else(own).unwrap_or_else(digest);
        let (attempts, failure) = (topology::attempts(properties), failure(properties));
        Self { id, event, payload, attempts, failure }
    }
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
                letters.push(DeadLetter::read(&message));
            }
            Ok(letters)
        })
        .await?;
    returned(&link, &name, letters.len()).await?;
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
                move_back(channel, &to, &message).await?;
                moved += 1;
            }
            Ok(moved)
        })
        .await
}

pub(super) async fn replay_one(hub: &Hub, queue: &str, id: &str) -> Result<bool, RabbitError> {
    let (link, from, to) = (link(hub)?, hub.names.dead(queue), hub.names.queue(queue));
    let (found, passed) = link
        .on_channel(async |channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let there = queue_depth(channel, &from).await? as usize;
            let mut passed = 0;
            while passed < there
                && let Some(message) = get(channel, &from).await?
            {
                if DeadLetter::read(&message).id == id {
                    move_back(channel, &to, &message).await?;
                    return Ok((true, passed));
                }
                passed += 1;
            }
            Ok((false, passed))
        })
        .await?;
    returned(&link, &from, passed).await?;
    Ok(found)
}

/// Puts a dead letter into its queue again, and only then takes it out of this one: should we end
/// in between, it is in both, never in none.
async fn move_back(channel: &Channel, to: &str, letter: &BasicGetMessage) -> Result<(), RabbitError> {
    let properties = topology::republished(&letter.properties, 0, None);
    send_to_queue(channel, to, &letter.data, properties).await?;
    letter.acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}

/// Waits until `count` letters that were read and not acknowledged are in their queue again. With
/// their channel they go back to where they were, but that takes a moment, in which a replay
/// would not find them.
async fn returned(link: &Link, name: &str, count: usize) -> Result<(), RabbitError> {
    link.on_channel(async |channel| {
        for _ in 0..RETURN_LOOKS {
            if queue_depth(channel, name).await? as usize >= count {
                break;
            }
            sleep(RETURN_LOOK_EVERY).await;
        }
        Ok(())
    })
    .await
}

fn link(hub: &Hub) -> Result<Arc<Link>, RabbitError> {
    hub.current().ok_or(RabbitError::NotConnected)
}

pub(super) async fn queue_depth(channel: &Channel, name: &str) -> Result<u32, RabbitError> {
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
