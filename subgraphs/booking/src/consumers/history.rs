//! Queue `booking.history`: the read model of each user's bookings.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue};

use super::{BOOKING_EVENTS, booking_of};
use crate::app::App;

pub(super) const QUEUE: Queue =
    Queue { name: "booking.history", bindings: BOOKING_EVENTS, lanes: 16, prefetch: 128 };

pub(super) struct History(pub Arc<App>);

#[async_trait]
impl Handler for History {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        Ok(self.0.history_follow(booking_of(event)?).await?)
    }
}
