//! Seats that are held, claimed and sold right now, and everybody who watches them.
//!
//! PostgreSQL decides who owns a seat; this keeps Redis, where people choose, true to it:
//!
//! * [`Seats::hold`], [`best_available`](Seats::best_available), [`extend`](Seats::extend),
//!   [`release`](Seats::release) are the buyer's; they never ask PostgreSQL once a show is loaded.
//! * [`Seats::apply`] tells Redis what was committed about a booking.
//! * [`Seats::snapshot`] and [`watch`](Seats::watch) show the seats and each change of them.
//! * [`Seats::sweep`] makes the end of holds visible; it is needed for nothing else.
//!
//! While Redis is away, the seats are shown as PostgreSQL knows them, and holds are given by
//! [`holds`](super::holds).

mod apply;
mod availability;
mod durable;
mod error;
mod hold;
mod loader;
mod place;
mod readers;
mod refusal;
mod reload;
pub(crate) mod request;
mod snapshot;
mod stored;
mod sweep;
mod topic;
mod watch;

use std::{sync::Arc, time::Duration};

use kernel::{
    ShowId,
    source::{SharedClock, SharedIds},
};
use platform::{Deps, Shutdown};
use sea_orm::DatabaseConnection;

pub use crate::domain::hold::Hold;
pub use apply::Target;
pub use error::SeatsError;
pub(crate) use hold::{count_ended, label};
pub(crate) use place::{Given, replay_durable};
pub use refusal::{HoldRefusal, Limit};

use crate::config::{HoldsConfig, SeatMapConfig};
use crate::store::seats::{Limits, Replace, SeatStore};
use crate::store::shows::Shows;
use availability::Availabilities;
use loader::Loader;
use stored::StoredMaps;
use watch::Hub;

/// The live seats of all shows. Clones share everything.
#[derive(Clone)]
pub struct Seats {
    inner: Arc<Inner>,
}

struct Inner {
    store: SeatStore,
    pg: DatabaseConnection,
    shows: Shows,
    clock: SharedClock,
    ids: SharedIds,
    rules: Rules,
    loader: Loader,
    /// What is shown while Redis is away.
    stored: StoredMaps,
    hub: Hub,
    availabilities: Availabilities,
}

/// How much may be held, and for how long.
#[derive(Debug, Clone)]
struct Rules {
    ttl: Duration,
    longest: Duration,
    max_seats: u16,
    limits: Limits,
}

impl Rules {
    /// How long an idempotency key is remembered: until no tombstone of its hold can be left to
    /// answer a repetition.
    fn remember(&self) -> Duration {
        self.longest + Duration::from_secs(60 * 60)
    }
}

impl Seats {
    /// The seats behind these dependencies.
    pub fn new(holds: &HoldsConfig, seat_map: &SeatMapConfig, deps: &Deps, shows: Shows) -> Self {
        let store = SeatStore::new(deps.redis.clone()).with_users_apart(holds.apart);
        let loader = Loader::new(store.clone(), deps.pg.clone(), Arc::clone(&deps.ids));
        let ttl = Duration::from_secs(holds.ttl_seconds.into());
        let rules = Rules {
            ttl,
            longest: Duration::from_secs(holds.longest_seconds.into()).max(ttl),
            max_seats: holds.max_seats,
            limits: Limits { seats: holds.max_seats_per_user, shows: holds.max_shows_per_user },
        };
        let stored = StoredMaps::new(deps.pg.clone(), shows.clone());
        Self {
            inner: Arc::new(Inner {
                hub: Hub::new(store.clone(), loader.clone(), stored.clone(), seat_map),
                availabilities: Availabilities::new(store.clone(), deps.pg.clone(), seat_map),
                store,
                pg: deps.pg.clone(),
                shows,
                clock: Arc::clone(&deps.clock),
                ids: Arc::clone(&deps.ids),
                rules,
                loader,
                stored,
            }),
        }
    }

    /// Passes changes on to those who watch, until the soft step of `shutdown`; then every
    /// stream of [`watch`](Self::watch) ends.
    pub fn listen(&self, shutdown: &Shutdown) {
        self.inner.hub.listen(shutdown);
    }

    /// The catalog changed the show, up to this revision: seats may be blocked now, or cost
    /// something else. Holds and bookings stay. Once is as good as twice.
    ///
    /// # Errors
    /// [`SeatsError`]; then the next hold with the new revision finds out.
    pub async fn show_changed(&self, show: ShowId, revision: i64) -> Result<(), SeatsError> {
        self.inner.shows.forget(show).await;
        let replace = Replace::Below(revision);
        if self.inner.store.expire(show).await?.is_some_and(|standing| !replace.spares(&standing)) {
            self.inner.loader.load(show, replace).await?;
        }
        Ok(())
    }
}
