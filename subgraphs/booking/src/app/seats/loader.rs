//! Loading the seats of a show from PostgreSQL into Redis.
//!
//! Why no load leaves stale seats behind: a decision is told to Redis only after it was committed
//! ([`Seats::apply`](super::Seats::apply)). Take any decision and any load.
//!
//! * It was committed before the load read PostgreSQL: the load has read it.
//! * It was committed later, and told before the load was carried out: it is in the notes (the
//!   show was not loaded) or in the ledger (it was replaced), and `load.lua` lets the higher
//!   version of each booking stand. Notes live longer than the lock can be kept, and a load whose
//!   lock has ended is refused, so no note is lost between reading and loading.
//! * It is told after the load: then the show is loaded, and it is applied to it.
//!
//! Within the load all is read at one moment, so that no booking is known in a version whose seats
//! were not seen, and no seat has two owners. The same holds for durable holds: of each the later
//! state stands, and what cannot be (a seat of a hold that the load has not read and a booking
//! both want) is read again.
//!
//! A decision that nobody tells, because the process died after the commit, is told by the
//! consumer of its event.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use kernel::{BookingId, HoldId, ShowId, UserId, source::SharedIds};
use platform::faults::reach;
use sea_orm::{AccessMode, DatabaseConnection, IsolationLevel, TransactionTrait};
use tokio::{
    select,
    time::{Instant, sleep},
};

use super::{SeatsError, count_ended};
use crate::domain::{best_available::Plan, booking::claim_shown_until, hold::HoldEnd, seats::not_on_sale};
use crate::store::{
    StoreError,
    allocations::{Allocation, allocation_list, booking_versions},
    hold_lists::hold_list_of_show,
    seats::{Contents, Loaded, Replace, SeatOwner, SeatStore},
    shows::show_get,
};

/// How long callers wait for a show to be loaded, by whomever.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether another process is done.
const LOOK: Duration = Duration::from_millis(10);
/// How long after its end a show stays loaded.
const KEEP: TimeDelta = TimeDelta::days(1);

type Flight = BoxFuture<'static, Result<(), SeatsError>>;

/// Loads shows, each once at a time. Clones share the work.
#[derive(Clone)]
pub(super) struct Loader {
    inner: Arc<Inner>,
}

struct Inner {
    store: SeatStore,
    pg: DatabaseConnection,
    ids: SharedIds,
    flights: Mutex<HashMap<(ShowId, Replace), Shared<Flight>>>,
}

impl Loader {
    pub(super) fn new(store: SeatStore, pg: DatabaseConnection, ids: SharedIds) -> Self {
        Self { inner: Arc::new(Inner { store, pg, ids, flights: Mutex::default() }) }
    }

    /// Loads the show, unless it is loaded and `replace` spares it. Live holds stay. One task of
    /// the process does it, the rest wait; but nobody waits for a replacement that may have begun
    /// too early, so [`Replace::Always`] is done for each.
    pub(super) async fn load(&self, show: ShowId, replace: Replace) -> Result<(), SeatsError> {
        let flight = match replace {
            Replace::Always => self.inner.start(show, replace),
            shared => {
                let key = (show, shared.clone());
                self.inner.flights().entry(key).or_insert_with(|| self.inner.start(show, shared)).clone()
            }
        };
        flight.await
    }
}

impl Inner {
    /// Loads in a task of its own: a caller that goes away must not leave the lock behind.
    fn start(self: &Arc<Self>, show: ShowId, replace: Replace) -> Shared<Flight> {
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move {
            let outcome = inner.load(show, &replace).await;
            inner.flights().remove(&(show, replace));
            outcome
        });
        // A task that panicked has not loaded.
        task.map(move |done| done.unwrap_or_else(|_| Err(SeatsError::LoadTimeout(show)))).boxed().shared()
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<(ShowId, Replace), Shared<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self, show: ShowId, replace: &Replace) -> Result<(), SeatsError> {
        let deadline = Instant::now() + PATIENCE;
        let token = self.ids.uuid().simple().to_string();
        while Instant::now() < deadline {
            if !self.store.load_lock(show, &token).await? {
                sleep(LOOK).await;
                let standing = self.store.expire(show).await?;
                if standing.is_some_and(|standing| replace.spares(&standing)) {
                    return Ok(());
                }
                continue;
            }
            let loaded = select! {
                loaded = self.load_locked(show, &token, replace) => loaded,
                never = self.store.load_keep(show, &token) => match never {},
            };
            match loaded {
                Ok(true) => return Ok(()),
                // Whoever was later than what was read has not committed, or was slower than the lock.
                Ok(false) => sleep(LOOK).await,
                Err(error) => {
                    // Let others try; without this they wait for the lock to end.
                    if let Err(error) = self.store.load_unlock(show, &token).await {
                        tracing::debug!(%error, "the lock of a loader is left to end by itself");
                    }
                    return Err(error);
                }
            }
        }
        Err(SeatsError::LoadTimeout(show))
    }

    /// False when it has to be done again.
    async fn load_locked(&self, id: ShowId, token: &str, replace: &Replace) -> Result<bool, SeatsError> {
        let show = show_get(&self.pg, id).await?.ok_or(SeatsError::UnknownShow(id))?;
        // All of one moment: no seat has two owners in it.
        let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        let txn = self.pg.begin_with_config(Some(isolation), Some(access)).await.map_err(StoreError::from)?;
        let versions = booking_versions(&txn, id).await?;
        let allocations = allocation_list(&txn, id).await?;
        let holds = hold_list_of_show(&txn, id).await?;
        txn.commit().await.map_err(StoreError::from)?;
        reach("load.read").await;
        let epoch = self.ids.uuid().simple().to_string();
        let contents = Contents {
            epoch: &epoch,
            revision: show.revision,
            plan: &Plan::new(&show.layout),
            blocked: &not_on_sale(&show),
            purge_at: show.ends_at + KEEP,
            owners: &owners(versions, allocations),
            holds: &holds,
        };
        match self.store.load(id, token, replace, &contents).await? {
            Loaded::Done { ended, next_end } => {
                metrics::counter!("booking_seat_loads_total").increment(1);
                count_ended(HoldEnd::Lost, ended.len());
                tracing::info!(show = %id, revision = show.revision, lost_holds = ended.len(), "seats loaded");
                self.tidy_up(id, &ended, next_end).await;
                Ok(true)
            }
            Loaded::LockLost | Loaded::Conflict => Ok(false),
        }
    }

    /// What follows from a load, and heals by itself if it is not done.
    async fn tidy_up(&self, show: ShowId, ended: &[(HoldId, UserId)], next_end: DateTime<Utc>) {
        for (hold, user) in ended {
            if let Err(error) = self.store.user_release(*hold, *user).await {
                tracing::warn!(%hold, %error, "the limits of a user are tight for a while");
            }
        }
        if let Err(error) = self.store.sweep_note(show, next_end).await {
            tracing::debug!(%error, "the sweeper does not know of a show");
        }
    }
}

/// One entry per booking: with the version that its seats were read with, if it has any.
fn owners(versions: Vec<(BookingId, i64)>, allocations: Vec<Allocation>) -> Vec<SeatOwner> {
    let bare = |booking, version| SeatOwner {
        booking,
        version,
        sold: false,
        claimed_until: None,
        seats: Vec::new(),
    };
    let mut owners: BTreeMap<BookingId, SeatOwner> =
        versions.into_iter().map(|(booking, version)| (booking, bare(booking, version))).collect();
    for allocation in allocations {
        let Allocation { seat_no, booking, booking_version, sold, claimed_until, .. } = allocation;
        let owner = owners.entry(booking).or_insert_with(|| bare(booking, booking_version));
        owner.version = booking_version;
        owner.sold = sold;
        owner.claimed_until = claimed_until.map(claim_shown_until);
        owner.seats.push(seat_no);
    }
    owners.into_values().collect()
}
