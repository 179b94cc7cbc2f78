//! Bookings that people watch: one Redis channel for all of them, one subscription per process,
//! and in memory who waits for which booking.
//!
//! A message only says that a booking changed. Watchers read the booking itself, so that a lost
//! or repeated message does no harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kernel::BookingId;
use platform::redis::RedisError;
use platform::{PubSubEvent, Redis, Shutdown};
use tokio::sync::watch;

const CHANNEL: &str = "bookings";
/// Pause before the channel is tried again while Redis is away.
const RETRY: Duration = Duration::from_millis(500);

/// The watchers of this process; clones share them.
#[derive(Clone)]
pub struct Live {
    redis: Redis,
    watched: Arc<Mutex<HashMap<BookingId, watch::Sender<()>>>>,
}

/// Waits for changes of one booking.
pub struct Watcher {
    booking: BookingId,
    /// There until it is dropped.
    changes: Option<watch::Receiver<()>>,
    live: Live,
}

impl Live {
    /// Nobody watches yet.
    pub fn new(redis: Redis) -> Self {
        Self { redis, watched: Arc::default() }
    }

    /// Tells the watchers in all processes that a booking changed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn publish(&self, booking: BookingId) -> Result<(), RedisError> {
        self.redis.publish(CHANNEL, Bytes::from(booking.to_string())).await?;
        Ok(())
    }

    /// Begins to watch a booking. Read it after this, not before.
    pub fn watch(&self, booking: BookingId) -> Watcher {
        let changes = self.watched().entry(booking).or_insert_with(|| watch::channel(()).0).subscribe();
        Watcher { booking, changes: Some(changes), live: self.clone() }
    }

    /// Listens until the soft step of `shutdown`.
    pub fn listen(&self, shutdown: &Shutdown) {
        let live = self.clone();
        let soft = shutdown.token();
        shutdown.spawn("booking-watch", async move {
            soft.run_until_cancelled(live.listen_on()).await;
        });
    }

    async fn listen_on(&self) {
        let subscriber = self.redis.subscriber();
        let mut stream = subscriber.stream();
        while let Err(error) = subscriber.subscribe(CHANNEL).await {
            tracing::debug!(%error, "cannot listen for changes of bookings yet");
            tokio::time::sleep(RETRY).await;
        }
        // Whatever happened before the channel was there was missed.
        self.nudge_all();
        while let Some(event) = stream.next().await {
            match event {
                PubSubEvent::Message(message) if message.channel() == CHANNEL => {
                    let booking =
                        std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok());
                    if let Some(booking) = booking {
                        self.nudge(booking);
                    }
                }
                PubSubEvent::Message(_) => {}
                PubSubEvent::Resync => self.nudge_all(),
            }
        }
    }

    fn nudge(&self, booking: BookingId) {
        if let Some(changes) = self.watched().get(&booking) {
            changes.send_replace(());
        }
    }

    fn nudge_all(&self) {
        for changes in self.watched().values() {
            changes.send_replace(());
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<BookingId, watch::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Returns when the booking may have changed since the last call, or since it is watched.
    pub async fn changed(&mut self) {
        if let Some(changes) = &mut self.changes
            && changes.changed().await.is_ok()
        {
            return;
        }
        // The sender stays as long as there is a receiver; should it go, nothing more is heard.
        std::future::pending::<()>().await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Under the lock, so that the last one knows that it is.
        let mut watched = self.live.watched();
        self.changes = None;
        if watched.get(&self.booking).is_some_and(|changes| changes.receiver_count() == 0) {
            watched.remove(&self.booking);
        }
    }
}
