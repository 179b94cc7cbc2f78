//! People who watch shows by the rules that clients are told to follow, through every fault.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use client::{Client, Socket, Subscription};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    answer::{Answer, PATIENCE, await_answer},
    desk::{READ, map, version},
    target::Target,
};
use crate::{
    history::Outcome,
    observed::{Map, WatchedMap},
};

/// Waits between attempts grow from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// How often it is looked whether the watchers have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Those who watch.
#[derive(Debug)]
pub struct Watchers {
    client: Client,
    shows: Vec<String>,
    watchers: Vec<(Arc<Mutex<WatchedMap>>, JoinHandle<()>)>,
}

/// Lets `count` people watch, each one of the shows.
///
/// # Errors
/// When the machine has no usable TLS set-up.
pub fn watch(target: &Target, count: usize) -> anyhow::Result<Watchers> {
    let client = Client::new(&target.graphql)?;
    let shows: Vec<String> = target.shows.iter().map(|show| show.id.clone()).collect();
    let watchers = shows.iter().cycle().take(count).enumerate().map(|(watcher, show)| {
        let view = Arc::new(Mutex::new(WatchedMap { watcher, resyncs: 0, map: nothing(show) }));
        let viewer = Viewer {
            client: client.clone(),
            address: target.subscriptions.clone(),
            show: show.clone(),
            // Heartbeats come late when the machine is busy; after this one is surely missing.
            silence: target.heartbeat * 3 + Duration::from_secs(1),
            view: Arc::clone(&view),
        };
        (view, tokio::spawn(viewer.run()))
    });
    let watchers = watchers.collect();
    Ok(Watchers { client, shows, watchers })
}

fn nothing(show: &str) -> Map {
    Map { show: show.to_owned(), epoch: String::new(), version: -1, states: String::new(), degraded: false }
}

/// Reads a seat map through the gateway.
///
/// # Errors
/// Why there is none.
pub async fn read_map(client: &Client, show: &str) -> Result<Map, String> {
    let data = match await_answer(client.execute(READ, json!({ "id": show }))).await {
        Answer::Data(data) => data,
        Answer::Refused(why) | Answer::Unknown(why) => return Err(why),
    };
    match map(&data["result"]["seatMap"]) {
        Some(Outcome::Map { epoch, version, states, degraded }) => {
            Ok(Map { show: show.to_owned(), epoch, version, states, degraded })
        }
        _ => Err(format!("no seat map in {data}")),
    }
}

impl Watchers {
    /// Waits until everybody is where the seat maps are, or until the deadline. Gives the maps,
    /// and what the watchers believe.
    pub async fn settled(self, deadline: Instant) -> (Vec<Map>, Vec<WatchedMap>) {
        loop {
            let reading = self.shows.iter().map(|show| read_map(&self.client, show));
            let maps: Result<Vec<Map>, String> =
                futures::future::join_all(reading).await.into_iter().collect();
            let watched: Vec<WatchedMap> = self.watchers.iter().map(|(view, _)| lock(view).clone()).collect();
            let caught_up = maps.as_ref().is_ok_and(|maps| {
                watched.iter().all(|watched| maps.iter().any(|map| is_at(&watched.map, map)))
            });
            if caught_up || Instant::now() >= deadline {
                return (maps.unwrap_or_default(), watched);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.watchers.iter().for_each(|(_, task)| task.abort());
    }
}

/// Whether both stand at the same point. Whether they are the same, the checker says.
fn is_at(watched: &Map, map: &Map) -> bool {
    (&watched.show, &watched.epoch, watched.version) == (&map.show, &map.epoch, map.version)
}

fn lock(view: &Mutex<WatchedMap>) -> MutexGuard<'_, WatchedMap> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who watches.
struct Viewer {
    client: Client,
    address: String,
    show: String,
    silence: Duration,
    view: Arc<Mutex<WatchedMap>>,
}

impl Viewer {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.session().await {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Watches on one socket until it breaks, or says nothing for too long. True when anything
    /// came.
    async fn session(&self) -> bool {
        let mut heard = false;
        let opening = timeout(PATIENCE, self.client.socket(&self.address));
        let Ok(Ok(socket)) = opening.await else { return heard };
        let Some(mut changes) = self.subscribe(&socket) else { return heard };
        while let Ok(Some(reply)) = timeout(self.silence, changes.next()).await {
            let Ok(data) = reply.ok() else { return heard };
            heard = true;
            self.take(&data["seatMapChanged"]).await;
        }
        heard
    }

    fn subscribe(&self, socket: &Socket) -> Option<Subscription> {
        socket.subscribe("SeatMapChanged", json!({ "showId": self.show })).ok()
    }

    async fn take(&self, delta: &Value) {
        let misses_nothing = apply(&mut lock(&self.view).map, delta);
        if !misses_nothing {
            self.resync().await;
        }
    }

    async fn resync(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match read_map(&self.client, &self.show).await {
                Ok(map) => {
                    let mut view = lock(&self.view);
                    view.map = map;
                    view.resyncs += 1;
                    return;
                }
                Err(why) => tracing::debug!(show = self.show, why, "no seat map"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Takes a delta in. False when something was missed: it is time to read the map again.
fn apply(map: &mut Map, delta: &Value) -> bool {
    let (Some(from), Some(to)) = (version(&delta["fromVersion"]), version(&delta["version"])) else {
        return false;
    };
    if delta["epoch"] != map.epoch.as_str() {
        return false;
    }
    let changes = delta["changes"].as_array().map_or(&[][..], Vec::as_slice);
    if changes.is_empty() && from == to {
        // It says where the map stands.
        return to == map.version;
    }
    if to <= map.version {
        return true;
    }
    if from > map.version {
        return false;
    }
    // It may begin before the snapshot that we have: as it has the latest state of each seat that
    // it names, taking it is right as long as nothing is missed.
    let mut states = std::mem::take(&mut map.states).into_bytes();
    for change in changes {
        let index = change["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let letter = change["state"].as_str().and_then(|state| state.bytes().next());
        if let Some((slot, letter)) = index.and_then(|index| states.get_mut(index)).zip(letter) {
            *slot = letter;
        }
    }
    map.states = String::from_utf8_lossy(&states).into_owned();
    map.version = to;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(epoch: &str, from: i64, to: i64, changes: &[(u16, &str)]) -> Value {
        let changes: Vec<Value> =
            changes.iter().map(|(index, state)| json!({ "index": index, "state": state })).collect();
        json!({ "epoch": epoch, "fromVersion": from, "version": to, "changes": changes })
    }

    fn at(version: i64, states: &str) -> Map {
        Map { epoch: "e".to_owned(), version, states: states.to_owned(), ..nothing("show_a") }
    }

    #[test]
    fn deltas_are_taken_in_and_known_ones_ignored() {
        let mut map = at(4, "AAA");
        assert!(apply(&mut map, &delta("e", 3, 6, &[(1, "HELD"), (2, "SOLD")])));
        assert_eq!((map.version, map.states.as_str()), (6, "AHS"));
        assert!(apply(&mut map, &delta("e", 4, 5, &[(0, "HELD")])));
        assert_eq!((map.version, map.states.as_str()), (6, "AHS"));
        assert!(apply(&mut map, &delta("e", 6, 6, &[])));
    }

    #[test]
    fn gaps_other_epochs_and_heartbeats_from_elsewhere_are_told() {
        for missed in [
            delta("e", 5, 6, &[(0, "HELD")]),
            delta("f", 4, 5, &[(0, "HELD")]),
            delta("e", 5, 5, &[]),
            delta("e", 3, 3, &[]),
            json!({}),
        ] {
            let mut map = at(4, "AAA");
            assert!(!apply(&mut map, &missed), "{missed}");
            assert_eq!(map.states, "AAA");
        }
    }
}
