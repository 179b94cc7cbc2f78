//! The events that the relay has read and not yet deleted, and what may be done with them now.
//!
//! Invariant: of each key at most one event is under way, and the next one of it is sent only after that
//! is confirmed. When one is refused, those behind it of its key are forgotten with it; they still are in
//! the table, and are read again when this line is over.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::row::{Place, Row};
use crate::rabbit::RabbitError;

/// Events in memory, at most. Some thousand keep the publisher busy while the next ones are read.
const CAPACITY: usize = 3_000;
/// So many confirmed events are worth a statement at once.
const DELETE_AT: usize = 500;
/// For so long after the last answer of the database nothing new is sent: a leader that is silent for
/// longer may have been deposed ([`crate::pg::Leader`]).
const TRUSTED_FOR: Duration = Duration::from_secs(3);

/// What the two halves of a leading relay share: one reads and deletes, the other publishes.
pub(super) struct Line {
    state: Mutex<State>,
    /// For the half that publishes: there may be something to send.
    sendable: Notify,
    /// For the other half: there is something to delete, or nothing is left to wait for.
    settled: Notify,
}

struct State {
    /// What was read and is not deleted, and when it happened.
    known: BTreeMap<i64, DateTime<Utc>>,
    /// What may be sent, in this order.
    ready: VecDeque<Row>,
    /// What waits for the event of its key that is ready or under way. There is an entry, maybe an empty
    /// one, exactly for those keys.
    behind: HashMap<Uuid, VecDeque<Row>>,
    under_way: usize,
    confirmed: Vec<Place>,
    /// The first one.
    failure: Option<RabbitError>,
    /// Nothing is sent any more.
    closed: bool,
    /// When the database last proved that we lead.
    proven: Instant,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                known: BTreeMap::new(),
                ready: VecDeque::new(),
                behind: HashMap::new(),
                under_way: 0,
                confirmed: Vec::new(),
                failure: None,
                closed: false,
                proven: Instant::now(),
            }),
            sendable: Notify::new(),
            settled: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was read, in the order of the table. What was asked for before something failed is not
    /// added: it may lie behind what was refused meanwhile, and the table still has it.
    pub(super) fn add(&self, rows: Vec<Row>) {
        let mut state = self.state();
        if !state.goes_on() {
            return;
        }
        for row in rows {
            state.add(row);
        }
        drop(state);
        self.sendable.notify_one();
    }

    /// The next event to send, if one may be sent now. It is under way then.
    pub(super) fn next(&self) -> Option<Row> {
        self.state().next()
    }

    /// Returns when there may be something to send.
    pub(super) async fn sendable(&self) {
        self.sendable.notified().await;
    }

    /// Tells what became of an event that was under way.
    pub(super) fn settle(&self, place: Place, outcome: Result<(), RabbitError>) {
        let mut state = self.state();
        state.settle(place, outcome);
        if state.confirmed.len() >= DELETE_AT || state.rests() {
            self.settled.notify_one();
        }
    }

    /// All that is under way is in doubt, and nothing can be sent any more.
    pub(super) fn lose(&self, error: RabbitError) {
        let mut state = self.state();
        state.under_way = 0;
        state.closed = true;
        state.failure.get_or_insert(error);
        self.settled.notify_one();
    }

    /// What is under way is the last.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    /// Returns when enough is confirmed to be deleted, or nothing is left to wait for.
    pub(super) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// What is confirmed and should be deleted now: all of it `at_once`, or when it is worth it.
    pub(super) fn confirmed(&self, at_once: bool) -> Vec<Place> {
        let mut state = self.state();
        if at_once || state.confirmed.len() >= DELETE_AT || state.rests() {
            std::mem::take(&mut state.confirmed)
        } else {
            Vec::new()
        }
    }

    /// These are deleted.
    pub(super) fn forget(&self, places: &[Place]) {
        let mut state = self.state();
        for place in places {
            state.known.remove(&place.seq);
        }
    }

    /// The database has just answered, on the connection that carries the lock.
    pub(super) fn prove(&self) {
        let mut state = self.state();
        let had_stopped = !state.is_proven();
        state.proven = Instant::now();
        if had_stopped {
            self.sendable.notify_one();
        }
    }

    /// For how long the database has not been asked anything.
    pub(super) fn silent_for(&self) -> Duration {
        self.state().proven.elapsed()
    }

    /// Whether more may be read: there is room for as many, and the line goes on.
    pub(super) fn takes(&self, rows: usize) -> bool {
        let state = self.state();
        state.goes_on() && state.known.len() + rows <= CAPACITY
    }

    /// Numbers of what was read and is not deleted.
    pub(super) fn known(&self) -> Vec<i64> {
        self.state().known.keys().copied().collect()
    }

    /// How many those are, and when the oldest of them happened.
    pub(super) fn standing(&self) -> (usize, Option<DateTime<Utc>>) {
        let state = self.state();
        (state.known.len(), state.known.first_key_value().map(|(_, time)| *time))
    }

    /// Nothing is under way or ready.
    pub(super) fn rests(&self) -> bool {
        self.state().rests()
    }

    /// Nothing is under way, and nothing will be: it was closed, or something failed.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.rests() && !state.goes_on()
    }

    /// The first failure of this line.
    pub(super) fn into_failure(self) -> Option<RabbitError> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure
    }
}

impl State {
    fn add(&mut self, row: Row) {
        if self.known.insert(row.place.seq, row.time).is_some() {
            return;
        }
        match self.behind.entry(row.place.key) {
            Entry::Vacant(key) => {
                key.insert(VecDeque::new());
                self.ready.push_back(row);
            }
            Entry::Occupied(key) => {
                // A transaction that committed late has lower numbers than some that are here.
                let behind = key.into_mut();
                let place = behind.partition_point(|other| other.place.seq < row.place.seq);
                behind.insert(place, row);
            }
        }
    }

    fn next(&mut self) -> Option<Row> {
        if self.closed || self.ready.is_empty() || !self.is_proven() {
            return None;
        }
        let row = self.ready.pop_front()?;
        self.under_way += 1;
        Some(row)
    }

    fn settle(&mut self, place: Place, outcome: Result<(), RabbitError>) {
        self.under_way = self.under_way.saturating_sub(1);
        let Entry::Occupied(mut key) = self.behind.entry(place.key) else { return };
        match outcome {
            Ok(()) => {
                self.confirmed.push(place);
                match key.get_mut().pop_front() {
                    Some(next) => self.ready.push_back(next),
                    None => drop(key.remove()),
                }
            }
            Err(error) => {
                self.known.remove(&place.seq);
                for row in key.remove() {
                    self.known.remove(&row.place.seq);
                }
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Nothing has failed, and nobody has ended it.
    fn goes_on(&self) -> bool {
        !self.closed && self.failure.is_none()
    }

    fn is_proven(&self) -> bool {
        self.proven.elapsed() < TRUSTED_FOR
    }

    fn rests(&self) -> bool {
        self.under_way == 0 && (self.closed || self.ready.is_empty())
    }
}

#[cfg(test)]
mod tests;
