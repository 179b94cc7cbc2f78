//! Which shows have something to end soon. A help for the sweeper, never needed to be right.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::ShowId;
use platform::redis::RedisError;

use super::{SeatStore, keys, ms, reply::Reply};

/// When a sweeper dies, its shows are visited by another after this time.
const LEASE: Duration = Duration::from_secs(30);

impl SeatStore {
    /// Takes up to `limit` shows in which something is overdue. Tell of each how it went with
    /// [`sweep_done`](Self::sweep_done).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn sweep_take(&self, limit: u16) -> Result<Vec<ShowId>, RedisError> {
        let keys = keys::sweep(&self.redis).to_vec();
        let args = vec![limit.into(), ms(LEASE).into()];
        let reply = Reply::new(self.redis.eval(&self.scripts.sweep_take, keys, args).await?);
        // What is no show is nobody's: it comes back once, and goes with the lease.
        Ok(reply.texts(0)?.into_iter().filter_map(|show| show.parse().ok()).collect())
    }

    /// A taken show was visited; `next` is when it has something to end again.
    ///
    /// # Errors
    /// When Redis is away; then the show comes back with the end of the lease.
    pub async fn sweep_done(&self, show: ShowId, next: Option<DateTime<Utc>>) -> Result<(), RedisError> {
        self.note(show, next, true).await
    }

    /// Something of the show ends at `end`, before all that was known of it.
    ///
    /// # Errors
    /// When Redis is away; then the end is seen by the next who looks at the show.
    pub async fn sweep_note(&self, show: ShowId, end: DateTime<Utc>) -> Result<(), RedisError> {
        self.note(show, Some(end), false).await
    }

    async fn note(&self, show: ShowId, end: Option<DateTime<Utc>>, taken: bool) -> Result<(), RedisError> {
        let keys = keys::sweep(&self.redis).to_vec();
        let args = vec![
            show.to_string().into(),
            end.map_or(0, |end| end.timestamp_millis()).into(),
            i64::from(taken).into(),
        ];
        self.redis.eval(&self.scripts.sweep_note, keys, args).await?;
        Ok(())
    }
}
