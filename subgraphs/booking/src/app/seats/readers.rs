//! Many who want the seat map of a show at the same time, for as long as PostgreSQL has to make it.
//!
//! Redis serves a map to each reader anew. PostgreSQL cannot: its connections are what holds and
//! checkouts live on, and now all of them. So readers of one show share an answer, and all of them
//! together use a quarter of the connections.
//!
//! Architecture invariant: this joins readers and is no cache in front of seat maps. An answer is
//! given only while Redis is away, it says that it is degraded, it was begun at most [`JOINED`] before
//! whoever gets it asked, and nobody gets one that was begun before this process changed the show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kernel::ShowId;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::SeatsError;
use crate::store::seats::Snapshot;

/// A reader takes an answer that others wait for, or got, if it was begun no longer ago.
const JOINED: Duration = Duration::from_millis(250);
/// How long an answer may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// The part of the connections that readers use.
const SHARE: u32 = 4;

type Answer = Shared<BoxFuture<'static, Result<Snapshot, SeatsError>>>;

/// An answer under way, or given.
struct Flight {
    /// When PostgreSQL was asked; unset while it waits for its turn.
    begun: Arc<OnceLock<Instant>>,
    answer: Answer,
}

impl Flight {
    fn is_fresh(&self) -> bool {
        self.begun.get().is_none_or(|begun| begun.elapsed() <= JOINED)
    }
}

/// Readers of stored seat maps.
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    flights: Mutex<HashMap<ShowId, Flight>>,
}

impl Readers {
    /// Readers over a pool of so many connections.
    pub(super) fn new(connections: u32) -> Self {
        let turns = usize::try_from(connections / SHARE).unwrap_or(1).max(1);
        Self { turns: Arc::new(Semaphore::new(turns)), flights: Mutex::default() }
    }

    /// Gives what others are reading, or reads. It is read in a task of its own: a reader that goes
    /// away must not keep a turn.
    pub(super) async fn read(
        &self,
        show: ShowId,
        read: impl Future<Output = Result<Snapshot, SeatsError>> + Send + 'static,
    ) -> Result<Snapshot, SeatsError> {
        let answer = {
            let mut flights = self.flights();
            match flights.get(&show).filter(|flight| flight.is_fresh()) {
                Some(flight) => {
                    metrics::counter!("booking_seat_maps_joined_total").increment(1);
                    flight.answer.clone()
                }
                None => {
                    flights.retain(|_, flight| flight.is_fresh());
                    let flight = self.start(show, read);
                    flights.entry(show).or_insert(flight).answer.clone()
                }
            }
        };
        answer.await
    }

    /// Nobody gets an answer any more that was begun before now.
    pub(super) fn forget(&self, show: ShowId) {
        self.flights().remove(&show);
    }

    fn start(
        &self,
        show: ShowId,
        read: impl Future<Output = Result<Snapshot, SeatsError>> + Send + 'static,
    ) -> Flight {
        let begun = Arc::new(OnceLock::new());
        let (turns, mark) = (Arc::clone(&self.turns), Arc::clone(&begun));
        let task = tokio::spawn(async move {
            let Ok(Ok(_turn)) = timeout(PATIENCE, turns.acquire()).await else {
                mark.get_or_init(Instant::now);
                return Err(SeatsError::LoadTimeout(show));
            };
            mark.get_or_init(Instant::now);
            read.await
        });
        let answer = task.map(move |done| done.unwrap_or_else(|_| Err(SeatsError::LoadTimeout(show))));
        Flight { begun, answer: answer.boxed().shared() }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<ShowId, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::domain::delta::Position;

    fn show(number: u128) -> ShowId {
        ShowId::from_uuid(uuid::Uuid::from_u128(number))
    }

    /// Counts how often PostgreSQL is asked, and by how many at once.
    #[derive(Default)]
    struct Asked {
        times: AtomicUsize,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Asked {
        async fn read(self: Arc<Self>) -> Result<Snapshot, SeatsError> {
            let version = self.times.fetch_add(1, Ordering::SeqCst) as u64;
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(20)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            let position = Position { epoch: "pg-1".into(), version };
            Ok(Snapshot { position, states: "A".into(), revision: 1, degraded: true })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readers_of_a_show_share_what_was_begun_a_moment_ago() {
        let (readers, asked) = (Readers::new(16), Arc::new(Asked::default()));
        let read = async || readers.read(show(1), Arc::clone(&asked).read()).await.unwrap().position.version;
        assert_eq!(join_all((0..100).map(|_| read())).await, [0; 100]);
        advance(JOINED - Duration::from_millis(25)).await;
        assert_eq!(read().await, 0);
        advance(Duration::from_millis(10)).await;
        assert_eq!(read().await, 1);
        readers.forget(show(1));
        assert_eq!(read().await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_of_many_shows_leave_most_connections_to_others() {
        let (readers, asked) = (Readers::new(16), Arc::new(Asked::default()));
        let all = (0..50).map(|number| readers.read(show(number), Arc::clone(&asked).read()));
        assert!(join_all(all).await.iter().all(Result::is_ok));
        assert_eq!(asked.times.load(Ordering::SeqCst), 50);
        assert_eq!(asked.most.load(Ordering::SeqCst), 4);
    }
}
