//! Knows when each version of a seat map was to come to be, and who has seen it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::time::Instant;

use super::watching::versions;
use crate::{load::Watch, measure::Recorder};

/// Versions that one board can tell apart.
const VERSIONS: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub struct Board {
    /// The version that was there before.
    pub base: u64,
    /// Messages that brought a counted version.
    pub delivered: AtomicU64,
    /// Counted versions that arrived, conflated ones included.
    pub covered: AtomicU64,
    /// From when a version was to be made to when a socket got it.
    pub recorder: Recorder,
    begin: Instant,
    first: AtomicU64,
    versions: Vec<Version>,
}

#[derive(Debug, Default)]
struct Version {
    /// When it was to be made, after `begin`.
    made: OnceLock<Duration>,
    /// Sockets that have it.
    seen: AtomicU64,
}

impl Board {
    /// For the versions after `base`.
    ///
    /// # Errors
    /// Never.
    pub fn new(base: u64) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            base,
            delivered: AtomicU64::new(0),
            covered: AtomicU64::new(0),
            recorder: Recorder::new()?,
            begin: Instant::now(),
            first: AtomicU64::new(u64::MAX),
            versions: (0..VERSIONS).map(|_| Version::default()).collect(),
        }))
    }

    fn version(&self, version: u64) -> Option<&Version> {
        self.versions.get(usize::try_from(version.checked_sub(self.base)?).ok()?)
    }

    /// This version and later ones are counted.
    pub fn count_from(&self, first: u64) {
        self.first.store(first, Ordering::Relaxed);
    }

    /// The version is to be made at this time.
    pub fn make(&self, version: u64, due: Instant) {
        if let Some(version) = self.version(version) {
            version.made.get_or_init(|| due.saturating_duration_since(self.begin));
        }
    }

    /// How many sockets have it.
    pub fn seen(&self, version: u64) -> u64 {
        self.version(version).map_or(0, |version| version.seen.load(Ordering::Relaxed))
    }

    /// What sockets tell their messages.
    pub fn watch(self: &Arc<Self>) -> Watch {
        let board = Arc::clone(self);
        Arc::new(move |payload| board.see(payload))
    }

    fn see(&self, payload: &[u8]) {
        let Some((from, to)) = versions(payload) else { return };
        let first = self.first.load(Ordering::Relaxed);
        let mut is_counted = false;
        for number in from + 1..=to {
            let Some(version) = self.version(number) else { continue };
            version.seen.fetch_add(1, Ordering::Relaxed);
            if number < first {
                continue;
            }
            self.covered.fetch_add(1, Ordering::Relaxed);
            if let Some(made) = version.made.get().filter(|_| !is_counted) {
                // Of conflated versions the first one waited longest.
                self.recorder.record(self.begin.elapsed().saturating_sub(*made));
            }
            is_counted = true;
        }
        if is_counted {
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_of_several_versions_is_one_delivery() {
        let board = Board::new(10).unwrap();
        board.count_from(12);
        board.make(12, Instant::now());
        board.see(br#"{"fromVersion":10,"version":11}"#);
        board.see(br#"{"fromVersion":11,"version":13}"#);
        board.see(br#"{"fromVersion":13,"version":13}"#);
        assert_eq!(board.delivered.load(Ordering::Relaxed), 1);
        assert_eq!(board.covered.load(Ordering::Relaxed), 2);
        assert_eq!(board.recorder.latency().unwrap().count, 1);
    }
}
