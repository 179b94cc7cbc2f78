//! Queue `notifications.bookings`: notes what people are to be told of their bookings.

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue};

use crate::{app::Intake, domain::Notice};

/// See the module.
pub(crate) struct Bookings(pub Intake);

impl Bookings {
    pub(crate) const QUEUE: Queue =
        Queue { name: "notifications.bookings", bindings: Notice::EVENTS, lanes: 8, prefetch: 128 };
}

#[async_trait]
impl Handler for Bookings {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let notice = Notice::decode(event)?;
        Ok(self.0.notice(Self::QUEUE.name, event, &notice).await?)
    }
}
