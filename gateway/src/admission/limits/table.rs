//! Buckets in this process: those that are known to be empty, and all while Redis is away.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::demand::{Demand, Short};

/// Buckets that are remembered; each takes about 100 bytes.
const CAPACITY: usize = 200_000;

/// When each bucket is full again. A full one need not be remembered.
#[derive(Debug)]
pub(super) struct Table {
    begun: Instant,
    capacity: usize,
    full_at: Mutex<HashMap<String, u64>>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), capacity: CAPACITY, full_at: Mutex::default() }
    }

    /// Finds a bucket that is known to lack tokens. What is not known has enough.
    pub(super) fn look(&self, demands: &[Demand]) -> Result<(), Short> {
        let now = self.now();
        let full_at = self.full_at();
        if full_at.is_empty() {
            return Ok(());
        }
        shortest(demands, &full_at, now)
    }

    /// Takes what is wanted from all buckets, or from none.
    pub(super) fn take(&self, demands: &[Demand]) -> Result<(), Short> {
        let now = self.now();
        let mut full_at = self.full_at();
        shortest(demands, &full_at, now)?;
        make_room(&mut full_at, self.capacity, demands.len(), now);
        for demand in demands {
            let before = full_at.get(&demand.key).copied().unwrap_or_default();
            if let Ok(then) = demand.bucket.take(before, now, demand.cost) {
                full_at.insert(demand.key.clone(), then);
            }
        }
        Ok(())
    }

    /// Remembers that a bucket lacks tokens. It may lack more by now, as others take from it too.
    pub(super) fn learn(&self, demand: &Demand, wait: u64) {
        let now = self.now();
        let then = demand.bucket.full_at(now, demand.cost, wait);
        let mut full_at = self.full_at();
        make_room(&mut full_at, self.capacity, 1, now);
        full_at.insert(demand.key.clone(), then);
    }

    /// Microseconds; never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX / 2).saturating_add(1)
    }

    fn full_at(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bucket that lacks its tokens the longest.
fn shortest(demands: &[Demand], full_at: &HashMap<String, u64>, now: u64) -> Result<(), Short> {
    let lacking = demands.iter().enumerate().filter_map(|(index, demand)| {
        let before = full_at.get(&demand.key).copied()?;
        Some(Short { index, wait: demand.bucket.take(before, now, demand.cost).err()? })
    });
    // What is more than a bucket holds is too much even for one that nothing is known of.
    let too_much = demands.iter().enumerate().filter_map(|(index, demand)| {
        Some(Short { index, wait: demand.bucket.take(0, now, demand.cost).err()? })
    });
    lacking.chain(too_much).max_by_key(|short| short.wait).map_or(Ok(()), Err)
}

/// Forgets full buckets, and all of them if that is not enough: callers are then let through once
/// too often, which is better than to refuse those who did nothing.
fn make_room(full_at: &mut HashMap<String, u64>, capacity: usize, wanted: usize, now: u64) {
    if full_at.len() + wanted <= capacity {
        return;
    }
    full_at.retain(|_, full_at| *full_at > now);
    if full_at.len() + wanted > capacity {
        tracing::warn!(buckets = full_at.len(), "too many callers at once: local rate limits begin anew");
        full_at.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::bucket::Bucket, *};

    fn demand(key: &str, per_minute: u32, cost: u64) -> Demand {
        Demand { key: key.to_owned(), bucket: Bucket::per_minute(per_minute), cost }
    }

    #[test]
    fn all_buckets_give_or_none_does() {
        let table = Table::new();
        let both = [demand("a", 5, 1), demand("b", 2, 1)];
        table.take(&both).unwrap();
        table.take(&both).unwrap();
        assert_eq!(table.take(&both).unwrap_err().index, 1);
        // Nothing was taken from `a` by the one that failed.
        table.take(&[demand("a", 5, 3)]).unwrap();
        assert!(table.take(&[demand("a", 5, 1)]).is_err());
    }

    #[test]
    fn to_look_takes_nothing() {
        let table = Table::new();
        for _ in 0..10 {
            table.look(&[demand("a", 1, 1)]).unwrap();
        }
        table.take(&[demand("a", 1, 1)]).unwrap();
        assert!(table.look(&[demand("a", 1, 1)]).is_err());
        table.look(&[demand("b", 1, 1)]).unwrap();
    }

    #[test]
    fn what_was_learnt_is_known_for_every_cost() {
        let table = Table::new();
        // Two tokens are there in half a minute: one is there in 24 seconds.
        table.learn(&demand("a", 10, 2), 30_000_000);
        let wait = |cost| table.look(&[demand("a", 10, cost)]).unwrap_err().wait;
        assert!((29_000_000..=30_000_000).contains(&wait(2)), "{}", wait(2));
        assert!((23_000_000..=24_000_000).contains(&wait(1)), "{}", wait(1));
    }

    #[test]
    fn a_full_table_forgets_full_buckets_first() {
        let table = Table { capacity: 3, ..Table::new() };
        let slow = |key| demand(key, 1, 1);
        // Full again after a microsecond.
        table.take(&[demand("quick", 60_000_000, 1)]).unwrap();
        table.take(&[slow("a")]).unwrap();
        table.take(&[slow("b")]).unwrap();
        while table.now() < 10 {}
        table.take(&[slow("c")]).unwrap();
        assert!(table.look(&[slow("a")]).is_err() && table.look(&[slow("c")]).is_err());
        table.take(&[slow("d")]).unwrap();
        assert!(table.look(&[slow("a")]).is_ok() && table.look(&[slow("d")]).is_err());
    }
}
