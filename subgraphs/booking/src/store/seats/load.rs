//! Rebuilding the state of a show.

use std::{convert::Infallible, fmt, future::pending, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use fred::{
    interfaces::KeysInterface,
    types::{Expiration, SetOptions, Value},
};
use kernel::{BookingId, HoldId, ShowId, UserId};
use platform::redis::RedisError;
use tokio::time::{Instant, sleep};

use super::{
    NO_FIELD, SeatStore, Standing, apply::ended_holds, booking_field, durable, hold_field, moment, runs,
};
use crate::domain::best_available::Plan;
use crate::store::holds::DurableHold;

/// How long a loader may take from before it reads PostgreSQL until it loads.
pub(super) const LOCK: Duration = Duration::from_secs(10);
/// A lock that is not [kept](SeatStore::load_keep) ends after this time: its loader is dead, or stopped.
const LEASE: Duration = Duration::from_secs(1);
/// How often a lock is kept.
const KEEP_EVERY: Duration = Duration::from_millis(300);

/// What PostgreSQL says of one booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatOwner {
    /// The booking.
    pub booking: BookingId,
    /// Its version.
    pub version: i64,
    /// Paid for?
    pub sold: bool,
    /// When its claim lapses, while it is not paid.
    pub claimed_until: Option<DateTime<Utc>>,
    /// The seats that it owns, ascending; a booking without any is known by its version only.
    pub seats: Vec<u16>,
}

/// What a show is loaded with.
#[derive(Debug, Clone)]
pub struct Contents<'a> {
    /// A name for this life of the seat map that no other has.
    pub epoch: &'a str,
    /// The revision of the show that the rest was read from.
    pub revision: i64,
    /// The seats.
    pub plan: &'a Plan,
    /// Those that are not on sale.
    pub blocked: &'a [u16],
    /// When the state of the show may be forgotten.
    pub purge_at: DateTime<Utc>,
    /// Every booking of the show.
    pub owners: &'a [SeatOwner],
    /// Its durable holds that live, or have ended lately.
    pub holds: &'a [DurableHold],
}

/// Whether a show that is loaded is loaded anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Replace {
    /// It stays as it is.
    Never,
    /// If it was loaded from an older revision than this.
    Below(i64),
    /// If it still is in this epoch.
    Epoch(Arc<str>),
    /// If it was not loaded into this run of Redis (see [`platform::PubSub::servers`]).
    OtherServer(Arc<str>),
    /// Whatever it is.
    Always,
}

impl Replace {
    /// True when a show that stands like this stays as it is.
    pub fn spares(&self, standing: &Standing) -> bool {
        match self {
            Self::Never => true,
            Self::Below(revision) => standing.revision >= *revision,
            Self::Epoch(epoch) => standing.position.epoch != *epoch,
            Self::OtherServer(server) => *standing.server == **server,
            Self::Always => false,
        }
    }
}

impl fmt::Display for Replace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("NEVER"),
            Self::Below(revision) => write!(f, "BELOW {revision}"),
            Self::Epoch(epoch) => write!(f, "EPOCH {epoch}"),
            Self::OtherServer(server) => write!(f, "SERVER {server}"),
            Self::Always => f.write_str("ALWAYS"),
        }
    }
}

/// What came of loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// The show is loaded.
    Done {
        /// Holds that lost a seat.
        ended: Vec<(HoldId, UserId)>,
        /// When something of it ends.
        next_end: DateTime<Utc>,
    },
    /// The lock was lost: begin again.
    LockLost,
    /// What was read is too old to decide about a seat: begin again.
    Conflict,
}

impl SeatStore {
    /// Takes the lock of the show's loader. False when another has it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn load_lock(&self, show: ShowId, token: &str) -> Result<bool, RedisError> {
        self.redis.available()?;
        let expire = Some(Expiration::PX(super::ms(LEASE)));
        let answer: Value =
            self.redis.pool().set(self.keys(show).lock(), token, expire, Some(SetOptions::NX), false).await?;
        Ok(!answer.is_null())
    }

    /// Keeps the lock for as long as this is polled, but no longer than a loader may take.
    pub async fn load_keep(&self, show: ShowId, token: &str) -> Infallible {
        let end = Instant::now() + LOCK - LEASE;
        loop {
            sleep(KEEP_EVERY).await;
            if Instant::now() >= end {
                return pending().await;
            }
            let args = vec![token.into(), super::ms(LEASE).into()];
            if let Err(error) =
                self.redis.eval(&self.scripts.keep_lock, vec![self.keys(show).lock()], args).await
            {
                tracing::debug!(%show, %error, "the lock of a loader is not kept");
            }
        }
    }

    /// Gives the lock back without loading.
    ///
    /// # Errors
    /// When Redis is away; then the lock ends by itself.
    pub async fn load_unlock(&self, show: ShowId, token: &str) -> Result<(), RedisError> {
        self.redis.eval(&self.scripts.unlock, vec![self.keys(show).lock()], vec![token.into()]).await?;
        Ok(())
    }

    /// The present run of the server that has the show, as far as it tells.
    async fn server(&self, show: ShowId) -> Option<Arc<str>> {
        let subscriber = self.redis.subscriber();
        let servers = match subscriber.servers() {
            None => subscriber.ask_servers().await,
            known => known,
        };
        servers?.of(&self.keys(show).states()).cloned()
    }

    /// Loads a show under the lock, and gives the lock back. A show that is loaded already stays
    /// as it is, unless `replace` says otherwise.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn load(
        &self,
        show: ShowId,
        token: &str,
        replace: &Replace,
        contents: &Contents<'_>,
    ) -> Result<Loaded, RedisError> {
        let keys = self.keys(show);
        let blocked: String = contents.blocked.iter().map(|seat| format!("{seat},")).collect();
        let blocked = if blocked.is_empty() { blocked } else { format!(",{blocked}") };
        let mut args: Vec<Value> = vec![
            replace.to_string().into(),
            contents.epoch.into(),
            contents.revision.into(),
            (contents.plan.places().len() as i64).into(),
            blocked.into(),
            contents.purge_at.timestamp_millis().into(),
            contents.plan.bytes().as_slice().into(),
            token.into(),
            self.server(show).await.as_deref().unwrap_or_default().into(),
        ];
        args.extend(
            contents
                .owners
                .iter()
                .flat_map(|owner| [Value::from(booking_field(owner.booking)), Value::from(record(owner))]),
        );
        args.extend(contents.holds.iter().flat_map(|durable| {
            [Value::from(hold_field(durable.hold.id)), Value::from(durable::record(durable))]
        }));
        let reply = self
            .run(&self.scripts.load, show, NO_FIELD, [keys.notes(), keys.plan(), keys.lock()], args)
            .await?;
        match reply.word()? {
            "LOADED" => Ok(Loaded::Done {
                ended: ended_holds(show, &reply.texts(4)?)?,
                next_end: moment(reply.number(3)?)?,
            }),
            "LOST" => Ok(Loaded::LockLost),
            "CONFLICT" => Ok(Loaded::Conflict),
            _ => Err(reply.unknown()),
        }
    }
}

/// `version|status|until|seats`
fn record(owner: &SeatOwner) -> String {
    let until = owner.claimed_until.map_or(0, |until| until.timestamp_millis());
    let status = match owner {
        SeatOwner { seats, .. } if seats.is_empty() => 'F',
        SeatOwner { sold: true, .. } => 'S',
        SeatOwner { .. } => 'C',
    };
    format!("{}|{status}|{until}|{}", owner.version, runs::format(&owner.seats))
}
