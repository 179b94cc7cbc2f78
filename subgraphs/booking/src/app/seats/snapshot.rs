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
        let show = self.inner.shows.get(&self.inner.pg, id).await?;
        show.ok_or(SeatsError::UnknownShow(id))
    }

    /// All seats of a show as they are now.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn snapshot(&self, show: ShowId) -> Result<Snapshot, SeatsError> {
        for _ in 0..ATTEMPTS {
            if let Some(snapshot) = self.inner.store.snapshot(show).await? {
                return Ok(snapshot);
            }
            self.inner.loader.load(show, Replace::Never).await?;
        }
        Err(SeatsError::LoadTimeout(show))
    }
}
