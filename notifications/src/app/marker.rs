//! Marks what was sent. What is sent while a statement is under way is marked by the next one, so
//! that nobody waits for company, and much is marked by few statements.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::DatabaseConnection;
use tokio::{
    sync::{Mutex as Turn, oneshot},
    time::sleep,
};

use crate::store::delivery::{Delivery, Place, deliveries_sent};

/// After the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Marker {
    pg: DatabaseConnection,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever marks.
    turn: Turn<()>,
}

/// A delivery that was sent, and who wants to know that it is marked.
struct Waiting {
    place: Place,
    told: oneshot::Sender<Option<Duration>>,
}

impl Marker {
    pub(crate) fn new(pg: DatabaseConnection) -> Self {
        Self { pg, waiting: Mutex::default(), turn: Turn::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a delivery as sent, for as long as it takes: one that was sent and is not marked would be
    /// sent again. Only the hard step of the shutdown, or an outage of the database that is longer than
    /// the lease, gets in between.
    ///
    /// Tells how long it took since the event came; nothing when it was marked before.
    pub(crate) async fn sent(&self, delivery: &Delivery) -> Option<Duration> {
        let (told, mut marked) = oneshot::channel();
        self.waiting().push(Waiting { place: delivery.place(), told });
        tokio::select! {
            biased;
            age = &mut marked => return age.ok().flatten(),
            _turn = self.turn.lock() => self.mark().await,
        }
        // By us, or by the one before us.
        marked.await.ok().flatten()
    }

    /// Marks all that wait.
    async fn mark(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        if waiting.is_empty() {
            return;
        }
        let places: Vec<Place> = waiting.iter().map(|waiting| waiting.place.clone()).collect();
        let mut ages = loop {
            match deliveries_sent(&self.pg, &places).await {
                Ok(ages) => break ages,
                Err(error) => {
                    tracing::warn!(count = places.len(), %error, "cannot mark deliveries; trying again");
                    sleep(PAUSE).await;
                }
            }
        };
        for Waiting { place, told } in waiting {
            // Who does not wait any more need not know.
            let _ = told.send(ages.remove(&place));
        }
    }
}
