//! How full shows are, from a micro-cache.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use kernel::ShowId;
use moka::sync::Cache;
use sea_orm::DatabaseConnection;

use super::{Seats, SeatsError};
use crate::config::SeatMapConfig;
use crate::domain::{availability::Availability, seats};
use crate::store::{allocation_counts::seat_counts, seats::SeatStore};

/// Shows whose badge is remembered.
const CACHED: u64 = 100_000;

type Answer = Result<Arc<HashMap<ShowId, Availability>>, SeatsError>;
type Flight = Shared<BoxFuture<'static, Answer>>;

impl Seats {
    /// How full these shows are, not older than the cache allows. Shows that booking does not
    /// know, or that are cancelled, are absent.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn availability(&self, shows: &[ShowId]) -> Result<HashMap<ShowId, Availability>, SeatsError> {
        self.inner.availabilities.get(shows).await
    }
}

/// The badges of shows. Clones share the cache.
#[derive(Clone)]
pub(super) struct Availabilities {
    inner: Arc<Inner>,
}

struct Inner {
    store: SeatStore,
    pg: DatabaseConnection,
    cache: Cache<ShowId, Option<Availability>>,
    /// Who is asked about right now, and by which question.
    flights: Mutex<HashMap<ShowId, Flight>>,
}

impl Availabilities {
    pub(super) fn new(store: SeatStore, pg: DatabaseConnection, config: &SeatMapConfig) -> Self {
        let age = Duration::from_millis(config.availability_max_age_ms.into());
        let cache = Cache::builder().max_capacity(CACHED).time_to_live(age).build();
        Self { inner: Arc::new(Inner { store, pg, cache, flights: Mutex::default() }) }
    }

    async fn get(&self, shows: &[ShowId]) -> Result<HashMap<ShowId, Availability>, SeatsError> {
        let mut found = HashMap::with_capacity(shows.len());
        let mut missing = HashSet::new();
        let mut hits = 0;
        for show in shows {
            match self.inner.cache.get(show) {
                Some(badge) => {
                    hits += 1;
                    found.extend(badge.map(|badge| (*show, badge)));
                }
                None => {
                    missing.insert(*show);
                }
            }
        }
        count("hit", hits);
        for flight in self.flights(missing) {
            let answer = flight.await?;
            found.extend(shows.iter().filter_map(|show| Some((*show, *answer.get(show)?))));
        }
        Ok(found)
    }

    /// The questions whose answers tell of all of `missing`: those under way, and one for the rest.
    fn flights(&self, mut missing: HashSet<ShowId>) -> Vec<Flight> {
        let mut flights = self.inner.flights();
        let mut wanted: Vec<Flight> = Vec::new();
        let wanted_shows = missing.len();
        missing.retain(|show| match flights.get(show) {
            Some(flight) if wanted.iter().any(|other| other.ptr_eq(flight)) => false,
            Some(flight) => {
                wanted.push(flight.clone());
                false
            }
            None => true,
        });
        count("shared", wanted_shows - missing.len());
        count("miss", missing.len());
        if !missing.is_empty() {
            let shows: Vec<ShowId> = missing.into_iter().collect();
            let flight = Arc::clone(&self.inner).ask(shows.clone());
            flights.extend(shows.into_iter().map(|show| (show, flight.clone())));
            wanted.push(flight);
        }
        wanted
    }
}

impl Inner {
    fn flights(&self) -> MutexGuard<'_, HashMap<ShowId, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks in a task of its own, which ends whoever waits for it.
    fn ask(self: Arc<Self>, shows: Vec<ShowId>) -> Flight {
        let task = tokio::spawn(async move {
            let answer = self.read(&shows).await;
            if let Ok(badges) = &answer {
                for show in &shows {
                    self.cache.insert(*show, badges.get(show).copied());
                }
            }
            let mut flights = self.flights();
            for show in &shows {
                flights.remove(show);
            }
            answer.map(Arc::new)
        });
        task.map(|done| done.unwrap_or_else(|_| Err(SeatsError::Stopping))).boxed().shared()
    }

    /// Loaded shows from Redis, the others from PostgreSQL: a glance at a list must not load all
    /// of its shows. Without Redis, all from PostgreSQL; then held seats count as free.
    async fn read(&self, shows: &[ShowId]) -> Result<HashMap<ShowId, Availability>, SeatsError> {
        // While it is away this fails at once.
        let loaded = match self.store.states_of(shows).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_unavailable() => HashMap::new(),
            Err(error) => return Err(error.into()),
        };
        let mut badges: HashMap<ShowId, Availability> = loaded
            .iter()
            .map(|(show, states)| (*show, Availability::of(seats::available(states), seats::on_sale(states))))
            .collect();
        let others: Vec<ShowId> = shows.iter().filter(|show| !loaded.contains_key(show)).copied().collect();
        if !others.is_empty() {
            let counts = seat_counts(&self.pg, &others).await?;
            badges.extend(counts.into_iter().map(|count| {
                (count.show, Availability::of(count.on_sale.saturating_sub(count.allocated), count.on_sale))
            }));
        }
        Ok(badges)
    }
}

/// How badges were found: remembered, by a question that was under way, or by one of ours.
fn count(result: &'static str, shows: usize) {
    metrics::counter!("cache_requests_total", "cache" => "availability", "result" => result)
        .increment(shows as u64);
}
