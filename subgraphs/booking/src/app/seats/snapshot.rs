//! Reading seats.

use std::sync::Arc;

use kernel::ShowId;

use super::{Seats, SeatsError};
use crate::domain::show::Show;
use crate::store::seats::{Replace, Snapshot};

/// Attempts when the show is not loaded, or purged in between.
const ATTEMPTS: usize = 3;

impl Seats {
    /// What booking knows of the show, at most a moment old.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn show(&self, id: ShowId) -> Result<Arc<Show>, SeatsError> {
        self.inner.stored.show(id).await
    }

    /// What booking knows of the show whose seats these are. Not older than what they were made from, but
    /// for a race that its revision shows.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn show_of(&self, id: ShowId, snapshot: &Snapshot) -> Result<Arc<Show>, SeatsError> {
        let show = self.show(id).await?;
        if show.revision >= snapshot.revision {
            return Ok(show);
        }
        // Another process has heard of a change, and this one has not looked since.
        self.inner.shows.forget(id).await;
        self.show(id).await
    }

    /// All seats of a show as they are now; when Redis is away as PostgreSQL knew them a moment ago,
    /// which is what `degraded` says.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn snapshot(&self, show: ShowId) -> Result<Snapshot, SeatsError> {
        if !self.is_away() {
            match self.snapshot_live(show).await {
                // To read does no harm: there is no need to be sure that it is an outage.
                Err(error) if error.is_redis_away() => {}
                answer => return answer,
            }
        }
        self.inner.stored.snapshot(show).await
    }

    async fn snapshot_live(&self, show: ShowId) -> Result<Snapshot, SeatsError> {
        for _ in 0..ATTEMPTS {
            if let Some(snapshot) = self.inner.store.snapshot(show).await? {
                return Ok(snapshot);
            }
            self.inner.loader.load(show, Replace::Never).await?;
        }
        Err(SeatsError::LoadTimeout(show))
    }
}
