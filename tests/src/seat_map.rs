//! Somebody who watches a show, by the rules that clients are told to follow.

use std::collections::VecDeque;

use client::{Client, Socket, Subscription};
use serde_json::{Value, json};

use crate::{
    shows::Show,
    stack::Stack,
    wait::{PATIENCE, eventually},
};

/// A client's copy of a seat map: subscribes first, reads the snapshot, then applies deltas.
#[derive(Debug)]
pub struct Watcher {
    client: Client,
    show_id: String,
    changes: Subscription,
    epoch: String,
    version: i64,
    states: Vec<u8>,
    /// How often the snapshot was read again because something was missed.
    pub resyncs: usize,
    /// Deltas to lose on purpose.
    lose: usize,
    seen: VecDeque<(i64, i64)>,
    _socket: Socket,
}

impl Stack {
    /// Begins to watch a show.
    ///
    /// # Panics
    /// When that does not work.
    pub async fn watch(&self, client: &Client, show: &Show) -> Watcher {
        let socket =
            client.socket(&self.subscriptions()).await.unwrap_or_else(|error| panic!("no socket: {error}"));
        let changes = socket
            .subscribe("SeatMapChanged", json!({ "showId": show.id }))
            .unwrap_or_else(|error| panic!("no subscription: {error}"));
        let mut watcher = Watcher {
            client: client.clone(),
            show_id: show.id.clone(),
            changes,
            epoch: String::new(),
            version: 0,
            states: Vec::new(),
            resyncs: 0,
            lose: 0,
            seen: VecDeque::new(),
            _socket: socket,
        };
        // Changes between this snapshot and the moment when the subscription takes force show as a
        // gap in the first delta, or in the next heartbeat.
        watcher.resync().await;
        watcher.resyncs = 0;
        watcher
    }

    /// What the platform says of a show's seats now: epoch, version, states.
    pub async fn seat_states(&self, show: &Show) -> (String, i64, String) {
        let snapshot = snapshot(&self.visitor(), &show.id).await;
        parts(&snapshot)
    }
}

fn parts(map: &Value) -> (String, i64, String) {
    let text = |field: &str| map[field].as_str().unwrap_or_default().to_owned();
    (text("epoch"), version(&map["version"]), text("states"))
}

/// Versions are numbers, or text when they may pass what a JSON number holds.
fn version(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(-1)
}

async fn snapshot(client: &Client, show_id: &str) -> Value {
    eventually("the seat map", async || {
        let data = client.call("SeatStates", json!({ "showId": show_id })).await.ok()?.ok().ok()?;
        Some(data["show"]["seatMap"].clone()).filter(|map| !map.is_null())
    })
    .await
}

impl Watcher {
    async fn resync(&mut self) {
        let map = snapshot(&self.client, &self.show_id).await;
        let (epoch, version, states) = parts(&map);
        (self.epoch, self.version, self.states) = (epoch, version, states.into_bytes());
        self.resyncs += 1;
    }

    /// Loses the next `count` deltas that change something, as a bad network would.
    pub const fn lose(&mut self, count: usize) {
        self.lose = count;
    }

    /// The state letter of the seat at `index`.
    pub fn state(&self, index: usize) -> char {
        self.states.get(index).map_or('?', |state| char::from(*state))
    }

    /// Epoch, version and states, as this client knows them.
    pub fn map(&self) -> (String, i64, String) {
        (self.epoch.clone(), self.version, String::from_utf8_lossy(&self.states).into_owned())
    }

    /// Takes in deltas until `done`.
    ///
    /// # Panics
    /// When the deltas stop before that.
    pub async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let waiting = async {
            while !done(self) {
                let reply =
                    self.changes.next().await.unwrap_or_else(|| panic!("the subscription ended: {what}"));
                let data = reply.ok().unwrap_or_else(|error| panic!("{what}: {error}"));
                self.take(&data["seatMapChanged"]).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
        assert!(in_time, "never saw {what}; known: {:?}, deltas: {:?}", self.map(), self.seen);
    }

    async fn take(&mut self, delta: &Value) {
        let (from, to) = (version(&delta["fromVersion"]), version(&delta["version"]));
        let changes = delta["changes"].as_array().map_or(&[][..], Vec::as_slice);
        self.seen.push_back((from, to));
        self.seen.truncate(64);
        let same_epoch = delta["epoch"] == self.epoch.as_str();
        if same_epoch && to <= self.version {
            return;
        }
        if self.lose > 0 && !changes.is_empty() {
            self.lose -= 1;
            return;
        }
        // A conflated delta may begin before the snapshot that we have: it holds the latest state
        // of each seat it names, so that taking it is right as long as nothing is missed.
        if !same_epoch || from > self.version {
            return self.resync().await;
        }
        for change in changes {
            let index = change["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let letter = change["state"].as_str().and_then(|state| state.bytes().next());
            if let Some((slot, letter)) = index.and_then(|index| self.states.get_mut(index)).zip(letter) {
                *slot = letter;
            }
        }
        self.version = to;
    }
}
