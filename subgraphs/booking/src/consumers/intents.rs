//! Queue `payments.intents`: calls off the payment of a booking that ended unpaid.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue};

use super::booking_of;
use crate::app::App;
use crate::domain::audit::Actor;

pub(super) const QUEUE: Queue = Queue {
    name: "payments.intents",
    bindings: &["booking.expired", "booking.cancelled", "booking.failed"],
    lanes: 8,
    prefetch: 32,
};

pub(super) struct Intents(pub Arc<App>);

#[async_trait]
impl Handler for Intents {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        self.0.payments_call_off(booking_of(event)?, Actor::system(QUEUE.name)).await?;
        Ok(())
    }
}
