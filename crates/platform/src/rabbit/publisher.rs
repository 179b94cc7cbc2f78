//! Publishing with confirms, many in flight.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::id::EventId;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::sync::Semaphore;

use super::{
    RabbitError,
    topology::{Names, short},
};
use crate::faults::reach;

/// Events published and not yet confirmed. Enough to keep the broker busy while it syncs to
/// disk; bounded because lapin's own queue is not.
const WINDOW: usize = 1_000;
/// AMQP's delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// An event as it is put on the wire.
pub(crate) struct Outgoing<'e> {
    /// See [`Envelope::id`].
    pub(crate) id: EventId,
    /// The routing key.
    pub(crate) name: &'e str,
    /// See [`Envelope::time`].
    pub(crate) time: DateTime<Utc>,
    /// The whole envelope as JSON.
    pub(crate) payload: &'e [u8],
}

/// Publishes events on a channel of its own.
pub(super) struct Publisher {
    channel: Channel,
    exchange: ShortString,
    window: Semaphore,
    order: Mutex<()>,
}

impl Publisher {
    pub(super) async fn new(channel: Channel, names: &Names) -> Result<Self, RabbitError> {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self {
            channel,
            exchange: short(names.exchange()),
            window: Semaphore::new(WINDOW),
            order: Mutex::new(()),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.channel.status().connected()
    }

    /// Encodes an event, publishes it and waits for its confirm.
    pub(super) async fn publish_event(&self, event: &Envelope) -> Result<(), RabbitError> {
        let payload = serde_json::to_vec(event)?;
        let Envelope { id, name, time, .. } = event;
        self.publish(&Outgoing { id: *id, name, time: *time, payload: &payload }).await
    }

    /// Publishes an event and waits for its confirm. Not mandatory: an event that nobody wants
    /// yet is legal.
    pub(super) async fn publish(&self, event: &Outgoing<'_>) -> Result<(), RabbitError> {
        let name = short(event.name);
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&event.id.to_string()))
            .with_type(name.clone())
            .with_timestamp(u64::try_from(event.time.timestamp()).unwrap_or(0));
        // Never closed, so this cannot fail; without a permit it would only be less bounded.
        let _permit = self.window.acquire().await.ok();
        let mut publishing = pin!(self.channel.basic_publish(
            self.exchange.clone(),
            name,
            BasicPublishOptions::default(),
            event.payload,
            properties,
        ));
        // lapin first numbers the message and then queues it, both when first polled. Two at the
        // same time could swap, and then each would get the other's confirm.
        let in_turn = poll_fn(|context| {
            let _turn = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            publishing.as_mut().poll(context)
        });
        let confirm = in_turn.await?;
        reach("relay.sent").await;
        confirmed(confirm.await?)
    }
}

/// Puts a message straight into a queue and waits for the confirm. The queue has to exist. One at
/// a time on a channel: lapin gives a returned message to whichever confirm comes next.
pub(super) async fn send_to_queue(
    channel: &Channel,
    queue: &str,
    payload: &[u8],
    properties: BasicProperties,
) -> Result<(), RabbitError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let default_exchange = short("");
    let confirm = channel.basic_publish(default_exchange, short(queue), options, payload, properties).await?;
    confirmed(confirm.await?)
}

fn confirmed(confirmation: Confirmation) -> Result<(), RabbitError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(RabbitError::Unroutable),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(RabbitError::Refused),
    }
}
