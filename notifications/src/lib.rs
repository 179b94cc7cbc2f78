//! The notification worker: tells people by email what became of their bookings.
//!
//! Events become rows: a booking's event becomes a pending *delivery* in the same transaction as
//! its inbox record, so each event is told once. A sender takes due deliveries on, renders them
//! in the person's language, sends them and marks them; failures are retried with growing delays
//! and at last given up, visible in the metrics and replayable by an operator.
//!
//! Layers: `consumers` → `app` → `store`, `mail` → `domain`.
//!
//! Architecture invariant: no personal data in logs, metrics or recorded errors.

mod app;
mod config;
mod consumers;
mod domain;
mod mail;
mod store;

use std::{sync::Arc, time::Duration};

use platform::{Deps, Queue, Shutdown};
use tokio::sync::Notify;

use app::{Composer, Intake, Marker, Sender};
pub use app::{GivenUp, Which, given_up_list, given_up_retry};
pub use config::{Config, SmtpConfig};
use consumers::{Bookings, Users};
pub use domain::RetryPolicy;

/// Notifications could not be started; the text names the setting.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

/// The queues of this crate. They must exist before anything is published.
pub const fn queues() -> [Queue; 2] {
    [Users::QUEUE, Bookings::QUEUE]
}

/// Starts the consumers, the sender and the periodic jobs of this crate.
///
/// # Errors
/// [`SetupError`] names the setting that cannot work; nothing was started.
pub fn consumers(config: &Config, deps: &Deps, shutdown: &Shutdown) -> Result<(), SetupError> {
    let setup = |error: &dyn std::error::Error| SetupError(error.to_string());
    let wake = Arc::new(Notify::new());
    let sender = Sender {
        pg: deps.pg.clone(),
        marker: Marker::new(deps.pg.clone()),
        mailer: mail::configured(config).map_err(|error| setup(&error))?,
        composer: Composer::new(config).map_err(|error| setup(&error))?,
        retry: config.retry,
        concurrency: config.concurrency,
        poll: Duration::from_millis(config.poll_ms.into()),
        wake: Arc::clone(&wake),
    };
    let intake = Intake { pg: deps.pg.clone(), wake };
    let rabbit = &deps.rabbit;
    rabbit.consume(Users::QUEUE, Arc::new(Users(intake.clone())), shutdown);
    rabbit.consume(Bookings::QUEUE, Arc::new(Bookings(intake)), shutdown);
    shutdown.spawn("notification-sender", sender.run(shutdown.clone()));
    consumers::start_purge(config, deps, shutdown);
    Ok(())
}
