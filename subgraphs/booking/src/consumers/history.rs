//! Queue `booking.history`: the read model of each user's bookings.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use events::booking::BookingConfirmed;
use platform::{Handler, HandlerError, Queue};

use super::{AboutBooking, BOOKING_EVENTS, about};
use crate::app::App;

pub(super) const QUEUE: Queue =
    Queue { name: "booking.history", bindings: BOOKING_EVENTS, lanes: 16, prefetch: 128 };

pub(super) struct History(pub Arc<App>);

#[async_trait]
impl Handler for History {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let AboutBooking { booking_id, user_id, version } = about(event)?;
        if event.is::<BookingConfirmed>() {
            self.0.history_confirm(user_id, booking_id, version).await?;
        } else {
            self.0.history_follow(booking_id).await?;
        }
        Ok(())
    }
}
