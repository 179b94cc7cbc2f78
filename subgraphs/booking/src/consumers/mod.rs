//! What the role `worker` does for this subgraph: one consumer or periodic job per file.

mod claim_expiry;
mod durable_holds;
mod history;
mod hold_sweeper;
mod intents;
mod payments;
mod purge;
mod reconcile;
mod refund_chase;
mod refunds;
mod seat_sync;
mod shows;

use std::sync::Arc;

use events::Envelope;
use kernel::{BookingId, UserId};
use platform::{Deps, Handler, HandlerError, Queue, Shutdown};
use serde::Deserialize;

use crate::Config;
use crate::app::{App, SetupError};

/// Every event about the state of a booking.
const BOOKING_EVENTS: &[&str] = &["booking.*"];

/// The queues of this subgraph. A process that publishes declares them, whether it consumes them
/// or not.
pub fn queues() -> Vec<Queue> {
    vec![shows::QUEUE, payments::QUEUE, refunds::QUEUE, intents::QUEUE, seat_sync::QUEUE, history::QUEUE]
}

/// Who handles each queue.
pub fn handlers(app: &Arc<App>) -> Vec<(Queue, Arc<dyn Handler>)> {
    let app = || Arc::clone(app);
    vec![
        (shows::QUEUE, Arc::new(shows::Shows(app()))),
        (payments::QUEUE, Arc::new(payments::Payments(app()))),
        (refunds::QUEUE, Arc::new(refunds::Refunds(app()))),
        (intents::QUEUE, Arc::new(intents::Intents(app()))),
        (seat_sync::QUEUE, Arc::new(seat_sync::SeatSync(app()))),
        (history::QUEUE, Arc::new(history::History(app()))),
    ]
}

/// Starts the consumers and periodic jobs of this subgraph.
///
/// # Errors
/// [`SetupError`] names what cannot work.
pub fn consumers(config: Config, deps: Deps, shutdown: &Shutdown) -> Result<(), SetupError> {
    spawn(&App::new(config, deps)?, shutdown);
    Ok(())
}

/// The same over use cases that exist.
pub fn spawn(app: &Arc<App>, shutdown: &Shutdown) {
    for (queue, handler) in handlers(app) {
        app.deps.rabbit.consume(queue, handler, shutdown);
    }
    claim_expiry::start(app, shutdown);
    refund_chase::start(app, shutdown);
    purge::start(app, shutdown);
    reconcile::start(app, shutdown);
    hold_sweeper::start(app, shutdown);
    durable_holds::start(app, shutdown);
}

/// What every event of a booking says of it, whatever else it says.
#[derive(Deserialize)]
struct AboutBooking {
    booking_id: BookingId,
    user_id: UserId,
    version: i64,
}

fn about(event: &Envelope) -> Result<AboutBooking, HandlerError> {
    Ok(AboutBooking::deserialize(&event.body)?)
}

/// Which booking an event of a booking is about.
fn booking_of(event: &Envelope) -> Result<BookingId, HandlerError> {
    Ok(about(event)?.booking_id)
}
