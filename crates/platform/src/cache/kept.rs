//! What is kept.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::Instant;

use crate::telemetry::CacheMeter;

/// Asked so often since it was loaded, a value is worth loading anew before anybody waits for it.
const OFTEN: u32 = 8;
/// So many values are loaded ahead by one question.
const AHEAD_AT_MOST: usize = 1_000;

/// Values by key, each for a while.
///
/// * What many ask for at once is loaded once: who comes while it is loaded waits, and gets the
///   same answer, or the same error. Errors are not kept.
/// * A key for which loading gives nothing has the value `V::default()`, which is kept like any
///   other: give `V` one that says so, such as `None` or an empty list.
/// * The age of a value counts from before it was loaded.
/// * Nothing outlives its being forgotten: what was being loaded then is handed to those who
///   wait for it, and not kept.
///
/// `V` should be cheap to clone: an `Arc`.
pub struct Cache<K, V, E> {
    slots: moka::sync::Cache<K, Arc<Slot<K, V, E>>>,
    /// Slots of earlier generations count for nothing.
    generation: AtomicU64,
    /// Held while a question looks which of its keys nobody loads yet.
    claims: Mutex<()>,
    max_age: Duration,
    meter: CacheMeter,
}

/// A question under way. It ends when nobody waits for it.
type Flight<K, V, E> = Shared<BoxFuture<'static, Result<Arc<HashMap<K, V>>, E>>>;
type WeakFlight<K, V, E> = WeakShared<BoxFuture<'static, Result<Arc<HashMap<K, V>>, E>>>;

/// The place of one key's value. To forget the value is to take its slot away: a question under
/// way then fills a slot that nobody finds.
struct Slot<K, V, E> {
    generation: u64,
    state: Mutex<State<K, V, E>>,
}

struct State<K, V, E> {
    kept: Option<Kept<V>>,
    flight: Option<WeakFlight<K, V, E>>,
}

struct Kept<V> {
    value: V,
    /// When loading it began.
    since: Instant,
    /// How often it was asked for since then.
    asked: u32,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Default + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// A cache that is called `name` in `cache_requests_total`. With a `max_age` of zero it keeps
    /// nothing, but still asks once for what many want at once.
    #[must_use]
    pub fn new(name: &'static str, max_entries: u64, max_age: Duration) -> Self {
        let slots = moka::sync::Cache::builder()
            .max_capacity(max_entries)
            // What nobody has asked for that long is too old anyway.
            .time_to_idle(max_age.max(Duration::from_secs(1)))
            .build();
        Self {
            slots,
            generation: AtomicU64::new(0),
            claims: Mutex::default(),
            max_age,
            meter: CacheMeter::new(name),
        }
    }

    /// What is there right now. That there is nothing does not count as a miss: who then loads it
    /// does.
    #[must_use]
    pub fn kept(&self, key: &K) -> Option<V> {
        let slot = self.slots.get(key).filter(|slot| slot.generation == self.generation())?;
        let value = slot.state().fresh(self.max_age)?;
        self.meter.hit();
        Some(value)
    }

    /// The value of one key, by `load` if need be.
    ///
    /// # Errors
    /// That of the load, whoever began it.
    pub async fn get<F, Fut>(&self, key: K, load: F) -> Result<V, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        if let Some(value) = self.kept(&key) {
            return Ok(value);
        }
        let named = key.clone();
        let load = |_: Vec<K>| {
            let loading = load();
            async move { Ok(HashMap::from([(named, loading.await?)])) }
        };
        Ok(self.find(vec![key.clone()], load).await?.remove(&key).unwrap_or_default())
    }

    /// The values of all `keys`: by one `load` for those that are neither kept nor being loaded.
    ///
    /// # Errors
    /// That of a load, whoever began it.
    pub async fn get_many<F, Fut>(
        &self,
        keys: impl IntoIterator<Item = K>,
        load: F,
    ) -> Result<HashMap<K, V>, E>
    where
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for key in keys {
            match self.kept(&key) {
                Some(value) => drop(found.insert(key, value)),
                None => missing.push(key),
            }
        }
        if !missing.is_empty() {
            found.extend(self.find(missing, load).await?);
        }
        Ok(found)
    }

    /// Forgets what these keys name.
    pub fn forget<'k>(&self, keys: impl IntoIterator<Item = &'k K>) {
        for key in keys {
            self.slots.invalidate(key);
        }
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        // Only gives the memory back: by the clock of `moka` it could be the same moment still.
        self.slots.invalidate_all();
    }

    /// Loads anew, all at once, what was asked for often and will soon be too old, so that nobody
    /// has to wait for it; tells how many. To be called several times within the greatest age.
    ///
    /// # Errors
    /// That of the load; then what is kept stays as it is.
    pub async fn refresh<F, Fut>(&self, load: F) -> Result<usize, E>
    where
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<HashMap<K, V>, E>>,
    {
        let generation = self.generation();
        let due: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.generation == generation && slot.state().is_due(self.max_age))
            .take(AHEAD_AT_MOST)
            .collect();
        if due.is_empty() {
            return Ok(0);
        }
        let since = Instant::now();
        let mut values = load(due.iter().map(|(key, _)| K::clone(key)).collect()).await?;
        for (key, slot) in &due {
            slot.keep(values.remove(&**key).unwrap_or_default(), since);
        }
        Ok(due.len())
    }

    /// What was not kept a moment ago.
    async fn find<F, Fut>(&self, missing: Vec<K>, load: F) -> Result<HashMap<K, V>, E>
    where
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    {
        let (mut found, flights) = self.board(missing, load);
        for (keys, flight) in flights {
            let values = flight.await?;
            found.extend(keys.into_iter().map(|key| {
                let value = values.get(&key).cloned().unwrap_or_default();
                (key, value)
            }));
        }
        Ok(found)
    }

    /// What is kept by now, and the questions that will tell the rest: one of our own first, then
    /// those of others.
    #[expect(clippy::type_complexity, reason = "a name would not make it simpler")]
    fn board<F, Fut>(&self, missing: Vec<K>, load: F) -> (HashMap<K, V>, Vec<(Vec<K>, Flight<K, V, E>)>)
    where
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    {
        let (mut found, mut flights) = (HashMap::new(), Vec::new());
        let mut ours = HashMap::new();
        let _claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        for key in missing {
            let slot = self.slot(&key);
            let mut state = slot.state();
            if let Some(value) = state.fresh(self.max_age) {
                self.meter.shared();
                found.insert(key, value);
            } else if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
                self.meter.shared();
                flights.push((vec![key], flight));
            } else if let Entry::Vacant(place) = ours.entry(key) {
                drop(state);
                self.meter.miss();
                place.insert(slot);
            }
        }
        if !ours.is_empty() {
            let keys: Vec<K> = ours.keys().cloned().collect();
            let flight = take_off(ours, load(keys.clone()));
            flights.insert(0, (keys, flight));
        }
        (found, flights)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The key's slot, which is made if need be.
    fn slot(&self, key: &K) -> Arc<Slot<K, V, E>> {
        let generation = self.generation();
        self.slots
            .entry_by_ref(key)
            .or_insert_with_if(|| Arc::new(Slot::new(generation)), |slot| slot.generation != generation)
            .into_value()
    }
}

/// Begins a question for the values of `slots`, which tells all of them.
fn take_off<K, V, E>(
    slots: HashMap<K, Arc<Slot<K, V, E>>>,
    load: impl Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
) -> Flight<K, V, E>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Default + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    let since = Instant::now();
    let targets: Vec<_> = slots.values().cloned().collect();
    let flight = async move {
        let values = load.await?;
        for (key, slot) in &slots {
            slot.keep(values.get(key).cloned().unwrap_or_default(), since);
        }
        Ok(Arc::new(values))
    };
    let flight = flight.boxed().shared();
    for slot in targets {
        slot.state().flight = flight.downgrade();
    }
    flight
}

impl<K, V, E> Slot<K, V, E> {
    fn new(generation: u64) -> Self {
        Self { generation, state: Mutex::new(State { kept: None, flight: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State<K, V, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, value: V, since: Instant) {
        let mut state = self.state();
        state.flight = None;
        // A question that took longer than a later one must not undo it.
        if state.kept.as_ref().is_none_or(|kept| kept.since <= since) {
            state.kept = Some(Kept { value, since, asked: 0 });
        }
    }
}

impl<K, V: Clone, E> State<K, V, E> {
    fn fresh(&mut self, max_age: Duration) -> Option<V> {
        let kept = self.kept.as_mut().filter(|kept| kept.since.elapsed() < max_age)?;
        kept.asked = kept.asked.saturating_add(1);
        Some(kept.value.clone())
    }

    /// Whether two thirds of its time are over and it was asked for often.
    fn is_due(&self, max_age: Duration) -> bool {
        self.kept.as_ref().is_some_and(|kept| {
            let age = kept.since.elapsed();
            kept.asked >= OFTEN && age < max_age && age >= max_age * 2 / 3
        })
    }
}

impl<K, V, E> fmt::Debug for Cache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
