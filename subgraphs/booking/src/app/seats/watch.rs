//! Who watches which show: in each process one subscription per show, however many watch it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use kernel::ShowId;
use platform::{PubSub, PubSubEvent, Shutdown};
use tokio::sync::{Mutex as AsyncMutex, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{
    Seats, SeatsError,
    loader::Loader,
    stored::StoredMaps,
    topic::{Input, Topic, Watcher},
};
use crate::config::SeatMapConfig;
use crate::domain::delta::{Delta, Position};
use crate::store::seats::{SeatStore, delta_channel, show_of_channel};

impl Seats {
    /// All changes of the show's seats from now on. The first item is a heartbeat: from its
    /// version on nothing is missed, so read the snapshot after it.
    ///
    /// Many changes within a few milliseconds come as one delta; a heartbeat comes every few
    /// seconds. Should something be missed (this reader was slow, Redis was away), then
    /// `from_version` or `epoch` of the next item does not continue the one before. While Redis is
    /// away there are only heartbeats, whose epoch is that of the map that PostgreSQL makes.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn watch(&self, show: ShowId) -> Result<impl Stream<Item = Arc<Delta>> + use<>, SeatsError> {
        let hub = &self.inner.hub;
        let mut watcher = hub.join(show);
        let start = watcher.ready().await?;
        let stop = hub.inner.stop.clone();
        Ok(async_stream::stream! {
            let gauge = WatcherGauge::new();
            let mut last = start.clone();
            yield Arc::new(Delta::heartbeat(start));
            loop {
                let next = tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    next = watcher.deltas.recv() => next,
                };
                match next {
                    Ok(delta) => {
                        let known = delta.epoch == last.epoch && delta.version <= last.version;
                        if known && !delta.changes.is_empty() {
                            continue;
                        }
                        last = Position { epoch: Arc::clone(&delta.epoch), version: delta.version };
                        yield delta;
                    }
                    // The next one does not continue the last: the client will see that.
                    Err(RecvError::Lagged(missed)) => {
                        metrics::counter!("booking_seat_watchers_lagged_total").increment(missed);
                    }
                    Err(RecvError::Closed) => break,
                }
            }
            drop(gauge);
        })
    }
}

/// Counts those who watch, for as long as it lives.
struct WatcherGauge;

impl WatcherGauge {
    fn new() -> Self {
        metrics::gauge!("booking_seat_watchers").increment(1);
        Self
    }
}

impl Drop for WatcherGauge {
    fn drop(&mut self) {
        metrics::gauge!("booking_seat_watchers").decrement(1);
    }
}

/// The watched shows of this process. Clones share them.
#[derive(Clone)]
pub(super) struct Hub {
    pub(super) inner: Arc<HubInner>,
}

pub(super) struct HubInner {
    pub(super) store: SeatStore,
    pub(super) loader: Loader,
    pub(super) stored: StoredMaps,
    pub(super) conflate: Duration,
    pub(super) heartbeat: Duration,
    /// Ends all streams.
    pub(super) stop: CancellationToken,
    subscriber: PubSub,
    topics: Mutex<HashMap<ShowId, Arc<Topic>>>,
    /// Held while a channel is subscribed or unsubscribed, so that the last of the two wins.
    wire: AsyncMutex<()>,
}

impl Hub {
    pub(super) fn new(store: SeatStore, loader: Loader, stored: StoredMaps, config: &SeatMapConfig) -> Self {
        let inner = HubInner {
            subscriber: store.subscriber(),
            store,
            loader,
            stored,
            conflate: Duration::from_millis(config.conflate_ms.into()),
            heartbeat: Duration::from_millis(config.heartbeat_ms.into()),
            stop: CancellationToken::new(),
            topics: Mutex::default(),
            wire: AsyncMutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn listen(&self, shutdown: &Shutdown) {
        let inner = Arc::clone(&self.inner);
        let soft = shutdown.token();
        let mut stream = inner.subscriber.stream();
        shutdown.spawn("seat-watch", async move {
            while let Some(Some(event)) = soft.run_until_cancelled(stream.next()).await {
                match event {
                    PubSubEvent::Message(message) => {
                        if let Some(show) = show_of_channel(message.channel()) {
                            inner.pass_on(show, message.payload);
                        }
                    }
                    PubSubEvent::Resync => {
                        inner.topics().values().for_each(|topic| topic.tell(Input::Resync));
                    }
                }
            }
            inner.stop.cancel();
        });
    }

    /// A new watcher of the show; its topic is made if nobody watches yet.
    fn join(&self, show: ShowId) -> Watcher {
        match self.inner.topics().entry(show) {
            Entry::Occupied(entry) => entry.get().watcher(),
            Entry::Vacant(entry) => {
                let (topic, run) = Topic::new(show, Arc::clone(&self.inner));
                let watcher = topic.watcher();
                entry.insert(Arc::new(topic));
                tokio::spawn(run);
                watcher
            }
        }
    }
}

impl HubInner {
    fn pass_on(&self, show: ShowId, payload: Bytes) {
        if let Some(topic) = self.topics().get(&show) {
            topic.tell(Input::Published(payload));
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<ShowId, Arc<Topic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn subscribe(&self, show: ShowId) -> Result<(), SeatsError> {
        let _turn = self.wire.lock().await;
        Ok(self.subscriber.subscribe(&delta_channel(show)).await?)
    }

    /// Forgets a topic, if `forget` finds that nobody watches it. Nobody can join in between.
    pub(super) fn forget_if(&self, show: ShowId, forget: impl FnOnce() -> bool) -> bool {
        let mut topics = self.topics();
        let forgotten = forget();
        if forgotten {
            topics.remove(&show);
        }
        forgotten
    }

    /// Unsubscribes a forgotten topic, unless the show is watched again.
    pub(super) async fn unsubscribe(&self, show: ShowId) {
        let _turn = self.wire.lock().await;
        let watched = self.topics().contains_key(&show);
        if !watched {
            self.subscriber.unsubscribe(&delta_channel(show)).await;
        }
    }
}
