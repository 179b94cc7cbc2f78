//! The live state of seats, in Redis.
//!
//! Each operation on a show is one Lua script (`store/lua`), so it happens at once or not at all,
//! by Redis's own clock. The keys and records are described in `store/lua/show_prelude.lua`.
//!
//! Architecture invariant: Redis must not evict keys (`maxmemory-policy noeviction`): a show
//! without some of its keys would be neither loaded nor not loaded.

mod apply;
mod durable;
mod hold;
mod keys;
mod load;
mod read;
mod reply;
mod runs;
mod scripts;
mod sweep;
mod user;
mod validate;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use fred::types::Value;
use kernel::{BookingId, HoldId, ShowId};
use platform::{
    Redis, Script,
    redis::{PubSub, RedisError},
};
use tokio::sync::watch;

pub use apply::{Applied, Decision, Ownership};
pub use durable::{DurableTold, Room};
pub use hold::{Counted, Extended, HoldRecord, HoldRequest, Placed, Released, Wanted};
pub use keys::{delta_channel, show_of_channel};
pub use load::{Contents, Loaded, Replace, SeatOwner};
pub use read::{Snapshot, Standing};
pub use user::{Allotment, Limits, Reservation, Reserved};
pub use validate::{ParseSeatsAtError, SeatValidators, SeatsAt};

use keys::ShowKeys;
pub(super) use reply::Reply;
use scripts::Scripts;

/// For scripts that are about no field of the ledger.
const NO_FIELD: &str = "-";
/// How long the tombstone of a hold answers late duplicates, after the hold's deadline.
const TOMBSTONE: Duration = Duration::from_secs(60 * 60);

/// The scripts and their keys. Cheap to clone.
#[derive(Clone)]
pub struct SeatStore {
    redis: Redis,
    scripts: Arc<Scripts>,
    apart: bool,
}

impl SeatStore {
    /// The state of seats in this Redis.
    pub fn new(redis: Redis) -> Self {
        Self { redis, scripts: Arc::new(Scripts::new()), apart: false }
    }

    /// The same, which takes it that users are not where shows are, even if they are.
    #[must_use]
    pub fn with_users_apart(self, apart: bool) -> Self {
        Self { apart, ..self }
    }

    /// Does Redis not serve?
    pub fn is_away(&self) -> bool {
        self.redis.is_away()
    }

    /// The same, to wait for a change of it.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.redis.away()
    }

    /// May shows and users be in different places? Then no script can have the keys of both.
    pub fn is_apart(&self) -> bool {
        self.apart || self.redis.is_clustered()
    }

    /// Where deltas arrive.
    pub fn subscriber(&self) -> PubSub {
        self.redis.subscriber()
    }

    /// Runs a script on one show. All have the channel, the life of tombstones and the field of
    /// the ledger that they are about as their first arguments.
    async fn run(
        &self,
        script: &Script,
        show: ShowId,
        field: &str,
        more_keys: impl IntoIterator<Item = String>,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Reply, RedisError> {
        let keys = self.keys(show);
        let common = [keys.channel().into(), ms(TOMBSTONE).into(), field.into()];
        let args = common.into_iter().chain(args).collect();
        let keys = keys.core().into_iter().chain(more_keys).collect();
        self.redis.eval(script, keys, args).await.map(Reply::new)
    }

    fn keys(&self, show: ShowId) -> ShowKeys {
        ShowKeys::new(&self.redis, show)
    }
}

/// Whole milliseconds, as scripts take them.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The moment that a script names in milliseconds.
fn moment(ms: i64) -> Result<DateTime<Utc>, RedisError> {
    DateTime::from_timestamp_millis(ms).ok_or_else(|| reply::unexpected("a moment", ms))
}

/// The field of the ledger that is about a hold.
fn hold_field(hold: HoldId) -> String {
    format!("h{:016x}", hold.local())
}

/// The field of the ledger that is about a booking.
fn booking_field(booking: BookingId) -> String {
    format!("b{:016x}", booking.local())
}
