//! Redis follows the durable holds.
//!
//! Whoever changes one tells Redis at once, if it is there. What nobody told, because Redis was away
//! or the process died, is told by the job, which knows it by the hold's versions.
//!
//! After an outage Redis may have lost more than it was not told: it may be empty, or have gone
//! back. So the shows in which something happened lately are loaded anew, under a new epoch.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kernel::HoldId;
use platform::faults::reach;
use tokio::time::Instant;

use super::super::seats::SeatsError;
use crate::app::{App, AppError};
use crate::store::hold_lists::{hold_list_untold, hold_mark_forgotten, hold_mark_told, show_list_changed};
use crate::store::holds::{DurableHold, hold_get};

/// Holds told of in one go.
const BATCH: u32 = 200;
/// Holds told of, or shows loaded, at the same time.
const AT_ONCE: usize = 8;
/// What happened so long before an outage was noticed may be lost with it.
const MARGIN: Duration = Duration::from_secs(60);
/// The same when nobody saw the outage begin.
const UNSEEN: Duration = Duration::from_secs(15 * 60);

impl App {
    /// Ends what is over, and brings Redis up to date. For one process at a time.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away; what was not done is done next time.
    pub async fn holds_follow(&self) -> Result<(), AppError> {
        self.holds_expire_all().await?;
        if self.seats.is_away() {
            let mut since = self.outages.since.lock().unwrap_or_else(PoisonError::into_inner);
            since.get_or_insert_with(Instant::now);
            return Ok(());
        }
        self.shows_reload_after_outage().await?;
        while self.holds_tell_batch().await? == BATCH as usize {}
        Ok(())
    }

    /// Tells Redis of a change that was committed. What fails is left to the job.
    pub(super) async fn hold_tell(&self, durable: &DurableHold) {
        if self.seats.is_away() {
            return;
        }
        if let Err(error) = self.seats.durable_hold_tell(durable).await {
            tracing::debug!(hold = %durable.hold.id, %error, "telling Redis is left to the job");
        }
    }

    /// Tells Redis how a durable hold stands now.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away.
    pub(crate) async fn hold_sync(&self, id: HoldId) -> Result<(), AppError> {
        if let Some(durable) = hold_get(&self.deps.pg, id).await? {
            self.seats.durable_hold_tell(&durable).await?;
        }
        Ok(())
    }

    /// Tells Redis what it does not know, and how much that was.
    async fn holds_tell_batch(&self) -> Result<usize, AppError> {
        let untold = hold_list_untold(&self.deps.pg, BATCH).await?;
        if untold.is_empty() {
            return Ok(0);
        }
        let tell = async |durable: &DurableHold| {
            self.seats.durable_hold_tell(durable).await.map(|()| (durable.hold.id, durable.version))
        };
        let (told, outcome) = all_of(stream::iter(&untold).map(tell)).await;
        reach("durable_hold.told").await;
        hold_mark_told(&self.deps.pg, &told).await?;
        outcome?;
        Ok(untold.len())
    }

    /// Once after each outage.
    async fn shows_reload_after_outage(&self) -> Result<(), AppError> {
        let outages = self.deps.redis.outages();
        if self.outages.reloaded.load(Ordering::Acquire) == outages {
            return Ok(());
        }
        let seen = *self.outages.since.lock().unwrap_or_else(PoisonError::into_inner);
        let within = seen.map_or(UNSEEN, |since| since.elapsed() + MARGIN);
        hold_mark_forgotten(&self.deps.pg).await?;
        let shows = show_list_changed(&self.deps.pg, within).await?;
        let found = shows.len();
        let reload = async |show| self.seats.reload_if_loaded(show).await;
        all_of(stream::iter(shows).map(reload)).await.1?;
        reach("outage.reloaded").await;
        tracing::info!(shows = found, "shows loaded anew after an outage of Redis");
        *self.outages.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.outages.reloaded.store(outages, Ordering::Release);
        Ok(())
    }
}

/// Does all of it, some at a time; one that fails does not hold up the others.
async fn all_of<T, F>(work: impl Stream<Item = F>) -> (Vec<T>, Result<(), SeatsError>)
where
    F: Future<Output = Result<T, SeatsError>>,
{
    let mut done = Vec::new();
    let mut outcome = Ok(());
    let mut results = std::pin::pin!(work.buffer_unordered(AT_ONCE));
    while let Some(result) = results.next().await {
        match result {
            Ok(value) => done.push(value),
            Err(error) => outcome = Err(error),
        }
    }
    (done, outcome)
}
