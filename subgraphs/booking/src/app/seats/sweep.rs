//! Making the end of holds and claims visible.

use super::{Seats, SeatsError};

/// Shows visited at a time.
const BATCH: u16 = 100;

impl Seats {
    /// Ends what is overdue in all shows, so that those who watch see it. Any number of processes
    /// may do this at once.
    ///
    /// # Errors
    /// [`SeatsError`]; what was not done is done by the next who looks at the show.
    pub async fn sweep(&self) -> Result<(), SeatsError> {
        if self.is_away() {
            return Ok(());
        }
        loop {
            let shows = self.inner.store.sweep_take(BATCH).await?;
            for show in &shows {
                let next = self.inner.store.expire(*show).await?.map(|standing| standing.next_end);
                self.inner.store.sweep_done(*show, next).await?;
            }
            if shows.len() < usize::from(BATCH) {
                return Ok(());
            }
        }
    }
}
