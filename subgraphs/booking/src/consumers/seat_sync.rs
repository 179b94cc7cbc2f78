//! Queue `booking.seats`: tells Redis and watchers what PostgreSQL decided, in case the process
//! that decided it died before it could.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue};

use super::{AboutBooking, BOOKING_EVENTS, about};
use crate::app::App;

pub(super) const QUEUE: Queue =
    Queue { name: "booking.seats", bindings: BOOKING_EVENTS, lanes: 16, prefetch: 128 };

pub(super) struct SeatSync(pub Arc<App>);

#[async_trait]
impl Handler for SeatSync {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let AboutBooking { booking_id, version, .. } = about(event)?;
        Ok(self.0.booking_sync_version(booking_id, version).await?)
    }
}
