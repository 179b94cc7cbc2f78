//! Redis follows the durable holds.
//!
//! Whoever changes one tells Redis at once, if it is there. What nobody told, because Redis was away
//! or the process died, is told by the job, which knows it by the hold's versions.
//!
//! After an outage Redis may have lost more than it was not told: it may be empty, or have gone
//! back. So the shows in which something happened since Redis was last known to be complete are
//! loaded anew, under a new epoch. When that was, PostgreSQL keeps, for whoever does this next.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kernel::{HoldId, ShowId};
use platform::faults::reach;
use platform::redis::Outage;
use tokio::time::Instant;

use super::super::seats::SeatsError;
use crate::app::{App, AppError};
use crate::store::cursors::{cursor_age, cursor_mark};
use crate::store::hold_lists::{hold_list_untold, hold_mark_forgotten, hold_mark_told, show_list_changed};
use crate::store::holds::{DurableHold, hold_get};

/// Holds told of in one go.
const BATCH: u32 = 200;
/// Holds told of, or shows loaded, at the same time.
const AT_ONCE: usize = 8;
/// What Redis acknowledged so long before an outage may be lost with it.
const MARGIN: Duration = Duration::from_secs(60);
/// Where PostgreSQL keeps when Redis was complete.
const COMPLETE: &str = "redis-complete";
/// How often that is written down.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// When nobody has done this for so long, an outage may have gone unnoticed.
const UNWATCHED: Duration = Duration::from_secs(60);

/// Loading shows anew.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// Those that are still to be done.
    shows: BTreeSet<ShowId>,
    /// When this process last found out which: Redis lacks nothing from before then but these.
    listed: Option<Instant>,
}

/// How far back something may be lost, when there was this outage, and Redis was complete so long
/// ago, as far as anybody knows. `None` when nothing is.
fn lost_since(outage: Option<Outage>, complete: Option<Duration>) -> Option<Duration> {
    let ended_later = |outage: &Outage| {
        outage.closed.is_some_and(|closed| complete.is_none_or(|complete| closed.elapsed() < complete))
    };
    let lost = outage.filter(ended_later).map(|outage| outage.since.elapsed());
    let unwatched = complete.filter(|complete| lost.is_some() || *complete > UNWATCHED);
    lost.max(unwatched)
}

impl App {
    /// Ends what is over, and brings Redis up to date. For one process at a time.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away; what was not done is done next time. One step that fails
    /// does not hold up the others.
    pub async fn holds_follow(&self) -> Result<(), AppError> {
        let expired = self.holds_expire_all().await;
        if self.seats.is_away() {
            return expired;
        }
        let reloaded = self.shows_reload_after_outage().await;
        let told = self.holds_tell().await;
        expired.and(reloaded).and(told)
    }

    /// Tells Redis what it does not know, if it is there. Any number of processes may do this at
    /// once: Redis may be away for some of them only.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away; what was not done is done next time.
    pub async fn holds_tell(&self) -> Result<(), AppError> {
        while !self.seats.is_away() && self.holds_tell_batch().await? == u64::from(BATCH) {}
        Ok(())
    }

    /// Tells Redis of a change that was committed. What fails is left to the job.
    pub(super) async fn hold_tell(&self, durable: &DurableHold) {
        self.seats.stored_changed(durable.hold.id.show());
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

    /// Tells Redis some of what it does not know, and how much that was.
    async fn holds_tell_batch(&self) -> Result<u64, AppError> {
        let untold = hold_list_untold(&self.deps.pg, BATCH).await?;
        if untold.is_empty() {
            return Ok(0);
        }
        let tell = async |durable: &DurableHold| {
            self.seats.durable_hold_tell(durable).await.map(|()| (durable.hold.id, durable.version))
        };
        let (told, outcome) = all_of(stream::iter(&untold).map(tell)).await;
        reach("durable_hold.told").await;
        let marked = hold_mark_told(&self.deps.pg, &told).await?;
        outcome?;
        Ok(marked)
    }

    /// Loads shows anew that may have lost something: once after each outage, whoever notices it.
    async fn shows_reload_after_outage(&self) -> Result<(), AppError> {
        let mut work = self.outages.reload.lock().await;
        let now = Instant::now();
        let (outages, outage) = (self.deps.redis.outages(), self.deps.redis.last_outage());
        if outage.is_some_and(|outage| outage.closed.is_none()) {
            return Ok(());
        }
        let marked = cursor_age(&self.deps.pg, COMPLETE).await?;
        let complete = work.listed.map(|listed| listed.elapsed()).into_iter().chain(marked).min();
        let lost = lost_since(outage, complete);
        if let Some(lost) = lost {
            hold_mark_forgotten(&self.deps.pg).await?;
            let shows = show_list_changed(&self.deps.pg, lost + MARGIN).await?;
            tracing::info!(shows = shows.len(), ?lost, "shows are loaded anew after an outage of Redis");
            work.shows.extend(shows);
        }
        work.listed = Some(now);
        let reload = async |show| self.seats.reload_if_loaded(show).await.map(|()| show);
        let (done, outcome) = all_of(stream::iter(work.shows.clone()).map(reload)).await;
        for show in done {
            work.shows.remove(&show);
        }
        reach("outage.reloaded").await;
        outcome?;
        let still = !self.seats.is_away() && self.deps.redis.outages() == outages;
        if still && (lost.is_some() || marked.is_none_or(|marked| marked >= MARK_EVERY)) {
            cursor_mark(&self.deps.pg, COMPLETE, now.elapsed()).await?;
        }
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
