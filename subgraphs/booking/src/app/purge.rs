//! Forgetting which messages were taken in, and which durable holds there were, once they cannot
//! come again.

use chrono::TimeDelta;
use platform::inbox;

use super::{App, AppError};
use crate::store::hold_lists::hold_purge;
use crate::store::provider_events::provider_event_purge;
use crate::store::{SCHEMA, now};

/// Dead letters are replayed within days; a provider sends again for a month at most.
const KEEP: TimeDelta = TimeDelta::days(90);
/// Durable holds that ended answer late repetitions of their requests, as tombstones in Redis do.
const KEEP_HOLDS: TimeDelta = TimeDelta::days(2);
/// Rows per statement: locks and dead rows stay few.
const CHUNK: u32 = 1_000;

impl App {
    /// Forgets old messages and durable holds.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn messages_purge(&self) -> Result<(), AppError> {
        let pg = &self.deps.pg;
        let now = now(pg).await?;
        let before = now - KEEP;
        while provider_event_purge(pg, before, CHUNK).await? == u64::from(CHUNK) {}
        let holds_before = now - KEEP_HOLDS;
        while hold_purge(pg, holds_before, CHUNK).await? == u64::from(CHUNK) {}
        while inbox::purge(pg, SCHEMA, before, CHUNK).await? == u64::from(CHUNK) {}
        Ok(())
    }
}
