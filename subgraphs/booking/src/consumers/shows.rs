//! Queue `booking.shows`: booking's copy of the catalog's shows.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use events::show::{ShowCancelled, ShowChanged, ShowScheduled};
use platform::{Handler, HandlerError, Queue};

use crate::app::App;

pub(super) const QUEUE: Queue = Queue {
    name: "booking.shows",
    bindings: &["show.scheduled", "show.changed", "show.cancelled"],
    lanes: 8,
    prefetch: 64,
};

pub(super) struct Shows(pub Arc<App>);

#[async_trait]
impl Handler for Shows {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        if event.is::<ShowScheduled>() {
            let ShowScheduled(show) = event.decode()?;
            Ok(self.0.show_follow(&show).await?)
        } else if event.is::<ShowChanged>() {
            let ShowChanged(show) = event.decode()?;
            Ok(self.0.show_follow(&show).await?)
        } else if event.is::<ShowCancelled>() {
            self.0.show_cancelled(event).await
        } else {
            Err(HandlerError::reject(format!("not about shows: {}", event.name)))
        }
    }
}
