//! What is being asked right now: who asks the same meanwhile waits for the same answer.
//!
//! The router's `InFlightMap` is not used: when who asks goes away, those who wait on go on without being in
//! it, and the next who comes asks once more.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ahash::RandomState;
use tokio::sync::OnceCell;

type Cell<V> = Arc<OnceCell<V>>;

/// What is being asked, by its key, and the place of each answer.
pub(super) struct Flights<K: Hash + Eq, V>(Mutex<HashMap<K, Cell<V>, RandomState>>);

/// Somebody who asks, or who waits.
struct Passenger<'f, K: Hash + Eq + Copy, V> {
    flights: &'f Flights<K, V>,
    key: K,
    cell: Cell<V>,
}

impl<K: Hash + Eq + Copy, V: Clone> Flights<K, V> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What `ask` finds, or what somebody else who asks it already does; and whether it was `ask`. When who
    /// asks goes away, the next one does.
    pub(super) async fn share(&self, key: K, ask: impl Future<Output = V>) -> (V, bool) {
        let passenger = self.board(key);
        let mut asked = false;
        let asking = || {
            asked = true;
            ask
        };
        let found = passenger.cell.get_or_init(asking).await.clone();
        (found, asked)
    }

    fn board(&self, key: K) -> Passenger<'_, K, V> {
        let cell = Arc::clone(self.under_way().entry(key).or_default());
        Passenger { flights: self, key, cell }
    }
}

impl<K: Hash + Eq, V> Flights<K, V> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Cell<V>, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight ends with its answer, or when nobody is left.
impl<K: Hash + Eq + Copy, V> Drop for Passenger<'_, K, V> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        // The other one is in the table.
        let over = self.cell.initialized() || Arc::strong_count(&self.cell) == 2;
        if over
            && let Entry::Occupied(flight) = under_way.entry(self.key)
            && Arc::ptr_eq(flight.get(), &self.cell)
        {
            flight.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use tokio::sync::oneshot;

    use super::*;

    fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn told(answer: oneshot::Receiver<u32>) -> u32 {
        answer.await.unwrap()
    }

    fn nobody_is_left(flights: &Flights<u32, u32>) -> bool {
        flights.under_way().is_empty()
    }

    #[test]
    fn equal_questions_have_one_answer_and_the_next_has_its_own() {
        let flights = Flights::new();
        let (answer, answered) = oneshot::channel();
        {
            let mut first = pin!(flights.share(1, told(answered)));
            assert!(poll(first.as_mut()).is_pending());
            let mut second = pin!(flights.share(1, async { 0 }));
            assert!(poll(second.as_mut()).is_pending());
            assert_eq!(poll(pin!(flights.share(2, async { 20 }))), Poll::Ready((20, true)));
            answer.send(10).unwrap();
            assert_eq!(poll(first.as_mut()), Poll::Ready((10, true)));
            // It waits for the answer that is there, and who comes now for another one.
            assert_eq!(poll(pin!(flights.share(1, async { 11 }))), Poll::Ready((11, true)));
            assert_eq!(poll(second.as_mut()), Poll::Ready((10, false)));
        }
        assert!(nobody_is_left(&flights));
    }

    #[test]
    fn who_waits_asks_when_who_asked_has_left_and_all_others_go_on_waiting() {
        let flights = Flights::new();
        let (answer, answered) = oneshot::channel();
        {
            let mut first = Box::pin(flights.share(1, std::future::pending()));
            assert!(poll(first.as_mut()).is_pending());
            let mut second = pin!(flights.share(1, told(answered)));
            assert!(poll(second.as_mut()).is_pending());
            drop(first);
            assert!(poll(second.as_mut()).is_pending());
            let mut third = pin!(flights.share(1, async { 0 }));
            assert!(poll(third.as_mut()).is_pending(), "it asked once more");
            answer.send(10).unwrap();
            assert_eq!(poll(second.as_mut()), Poll::Ready((10, true)));
            assert_eq!(poll(third.as_mut()), Poll::Ready((10, false)));
        }
        assert!(nobody_is_left(&flights));
    }

    #[test]
    fn nothing_is_left_of_what_everybody_has_left() {
        let flights = Flights::<u32, u32>::new();
        for _ in 0..2 {
            let mut one = Box::pin(flights.share(1, std::future::pending()));
            let mut other = Box::pin(flights.share(1, async { 0 }));
            assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
            drop(one);
            assert!(!nobody_is_left(&flights));
            drop(other);
            assert!(nobody_is_left(&flights));
        }
    }
}
