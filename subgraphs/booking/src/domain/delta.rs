//! Changes of a seat map, and how many become one.

use std::{collections::BTreeMap, sync::Arc};

use kernel::SeatState;

/// What happened to a seat map from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The life of the map that the versions count in; another epoch means: read the map anew.
    pub epoch: Arc<str>,
    /// The version that this builds on.
    pub from_version: u64,
    /// The version that it leads to. The same as `from_version` in a heartbeat.
    pub version: u64,
    /// The latest state of each seat that changed, ascending by seat.
    pub changes: Vec<SeatChange>,
}

/// The state of one seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatChange {
    /// Its index in layout order.
    pub seat: u16,
    /// What it is now.
    pub state: SeatState,
}

/// A message that is no delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a published delta must read EPOCH VERSION, then SEAT LETTERS for each run of seats")]
pub struct ParseDeltaError;

impl Delta {
    /// A heartbeat: nothing changed, this is where we stand.
    pub fn heartbeat(position: Position) -> Self {
        let Position { epoch, version } = position;
        Self { epoch, from_version: version, version, changes: Vec::new() }
    }

    /// Reads what the scripts publish: `EPOCH VERSION 5HH9A`, one version at a time. Of two
    /// changes of one seat the later stands.
    ///
    /// # Errors
    /// [`ParseDeltaError`].
    pub fn parse(message: &[u8]) -> Result<Self, ParseDeltaError> {
        let text = str::from_utf8(message).map_err(|_| ParseDeltaError)?;
        let mut parts = text.splitn(3, ' ');
        let (Some(epoch), Some(version), Some(runs)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ParseDeltaError);
        };
        let version: u64 = version.parse().map_err(|_| ParseDeltaError)?;
        let changes = parse_runs(runs).ok_or(ParseDeltaError)?;
        Ok(Self {
            epoch: epoch.into(),
            from_version: version.checked_sub(1).ok_or(ParseDeltaError)?,
            version,
            changes: to_list(changes),
        })
    }
}

fn parse_runs(mut runs: &str) -> Option<BTreeMap<u16, SeatState>> {
    let mut changes = BTreeMap::new();
    while !runs.is_empty() {
        let letters = runs.find(|c: char| !c.is_ascii_digit())?;
        let end = runs[letters..].find(|c: char| c.is_ascii_digit()).map_or(runs.len(), |at| letters + at);
        let mut seat: u16 = runs[..letters].parse().ok()?;
        for letter in runs[letters..end].chars() {
            changes.insert(seat, SeatState::from_letter(letter)?);
            seat = seat.checked_add(1)?;
        }
        runs = &runs[end..];
    }
    Some(changes)
}

fn to_list(changes: BTreeMap<u16, SeatState>) -> Vec<SeatChange> {
    changes.into_iter().map(|(seat, state)| SeatChange { seat, state }).collect()
}

/// A point in the history of a seat map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The life of the map.
    pub epoch: Arc<str>,
    /// How many changes it has had, and one.
    pub version: u64,
}

/// Where the history of a seat map breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The map began a new life.
    NewEpoch,
    /// Changes are missing.
    Gap,
}

/// Makes one delta of many, without hiding that one is missing.
///
/// Whatever happens to the messages, `from_version` of what goes out is the `version` of what
/// went out before exactly when nothing in between was lost.
#[derive(Debug)]
pub struct Conflator {
    /// What the viewers know.
    sent: Position,
    /// What was read rather than heard: messages up to here may still be under way.
    read: u64,
    /// What came in and did not go out.
    version: u64,
    changes: BTreeMap<u16, SeatState>,
}

impl Conflator {
    /// Starts where the viewers stand.
    pub const fn new(start: Position) -> Self {
        Self { read: start.version, version: start.version, sent: start, changes: BTreeMap::new() }
    }

    /// Where the viewers stand.
    pub const fn sent(&self) -> &Position {
        &self.sent
    }

    /// Why a delta does not continue what came in before it, if it does not: whoever knows that has
    /// to read the map anew.
    pub fn breaks_at(&self, delta: &Delta) -> Option<Break> {
        if delta.epoch != self.sent.epoch {
            return Some(Break::NewEpoch);
        }
        let is_gap = delta.version > self.version && delta.from_version != self.version;
        is_gap.then_some(Break::Gap)
    }

    /// Takes a delta in. When it does not continue what came before, what came before goes out
    /// first: that is returned.
    pub fn push(&mut self, delta: Delta) -> Option<Delta> {
        let same_epoch = delta.epoch == self.sent.epoch;
        if same_epoch && delta.version <= self.version {
            // Known already, from the read at the start; or see `contradicts`.
            return None;
        }
        let mut before = None;
        if !same_epoch {
            self.read = delta.from_version;
        }
        if !same_epoch || delta.from_version != self.version {
            before = self.flush();
            self.sent = Position { epoch: delta.epoch, version: delta.from_version };
        }
        self.version = delta.version;
        self.changes.extend(delta.changes.into_iter().map(|change| (change.seat, change.state)));
        before
    }

    /// What came in since the last call, as one delta.
    pub fn flush(&mut self) -> Option<Delta> {
        if self.version == self.sent.version {
            return None;
        }
        let from_version = std::mem::replace(&mut self.sent.version, self.version);
        let changes = to_list(std::mem::take(&mut self.changes));
        Some(Delta { epoch: Arc::clone(&self.sent.epoch), from_version, version: self.version, changes })
    }

    /// Has everything come in up to `position`?
    pub fn has_reached(&self, position: &Position) -> bool {
        self.sent.epoch == position.epoch && self.version >= position.version
    }

    /// Was something else heard of as this version? Messages come in order, so the map went back
    /// to an older version and counts from there again.
    pub fn contradicts(&self, delta: &Delta) -> bool {
        delta.epoch == self.sent.epoch && delta.version > self.read && delta.version <= self.version
    }

    /// Has something come in that lies after `position` in its epoch?
    pub fn is_ahead_of(&self, position: &Position) -> bool {
        self.sent.epoch == position.epoch && self.version > position.version
    }

    /// Goes on from `position`: whatever lies before it is lost, and the viewers will see that.
    pub fn restart(&mut self, position: Position) {
        *self = Self::new(position);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(epoch: &str, version: u64) -> Position {
        Position { epoch: epoch.into(), version }
    }

    fn delta(epoch: &str, version: u64, runs: &str) -> Delta {
        Delta::parse(format!("{epoch} {version} {runs}").as_bytes()).unwrap()
    }

    #[test]
    fn runs_are_read_and_the_later_change_stands() {
        let delta = delta("e1", 7, "12HH3A12A");
        assert_eq!((&*delta.epoch, delta.from_version, delta.version), ("e1", 6, 7));
        let changes: Vec<_> =
            delta.changes.iter().map(|change| (change.seat, change.state.letter())).collect();
        assert_eq!(changes, [(3, 'A'), (12, 'A'), (13, 'H')]);
        assert_eq!(Delta::parse(b"e2 1 ").unwrap().changes, []);
    }

    #[test]
    fn what_is_no_delta_is_refused() {
        for text in ["", "e", "e 5", "e x 1H", "e 0 1H", "e 5 H", "e 5 1", "e 5 1X", "e 5 65535HH"] {
            assert_eq!(Delta::parse(text.as_bytes()), Err(ParseDeltaError), "{text}");
        }
    }

    #[test]
    fn a_gap_shows() {
        let mut conflator = Conflator::new(position("e", 4));
        assert_eq!(conflator.push(delta("e", 5, "1H")), None);
        // 6 is missing.
        let before = conflator.push(delta("e", 7, "2H")).unwrap();
        assert_eq!((before.from_version, before.version), (4, 5));
        let after = conflator.flush().unwrap();
        assert_eq!((after.from_version, after.version), (6, 7));
        assert_eq!(after.changes.len(), 1);
    }

    #[test]
    fn a_new_epoch_shows() {
        let mut conflator = Conflator::new(position("e", 4));
        assert_eq!(conflator.push(delta("f", 1, "")), None);
        let fresh = conflator.flush().unwrap();
        assert_eq!((&*fresh.epoch, fresh.version, fresh.changes.len()), ("f", 1, 0));
    }

    #[test]
    fn what_is_known_is_left_out() {
        let mut conflator = Conflator::new(position("e", 4));
        assert_eq!(conflator.push(delta("e", 3, "1H")), None);
        assert_eq!(conflator.push(delta("e", 4, "1H")), None);
        assert_eq!(conflator.flush(), None);
        assert!(conflator.has_reached(&position("e", 4)) && !conflator.has_reached(&position("e", 5)));
    }

    #[test]
    fn a_map_that_went_back_shows() {
        let mut conflator = Conflator::new(position("e", 4));
        // Under way when 4 was read.
        assert!(!conflator.contradicts(&delta("e", 4, "1H")));
        for version in 5..=7 {
            let next = delta("e", version, "1H");
            assert!(!conflator.contradicts(&next));
            conflator.push(next);
        }
        assert!(conflator.contradicts(&delta("e", 6, "2S")));
        assert!(conflator.is_ahead_of(&position("e", 6)) && !conflator.is_ahead_of(&position("e", 7)));

        let fresh = delta("f", 1, "");
        assert!(!conflator.contradicts(&fresh) && !conflator.is_ahead_of(&position("f", 1)));
        conflator.push(fresh);
        assert!(conflator.contradicts(&delta("f", 1, "")));
        conflator.restart(position("f", 9));
        assert!(!conflator.contradicts(&delta("f", 9, "1H")));
    }

    proptest! {
        /// Messages get lost and viewers flush at any time: a viewer who follows the rules ends
        /// with the same seats, or knows that something is missing.
        #[test]
        fn nothing_is_missed_unnoticed(steps in prop::collection::vec((0..8_u16, 0..4_usize, any::<bool>(), any::<bool>()), 1..60)) {
            let mut truth = [SeatState::Available; 8];
            let mut seen = truth;
            let mut at = 1;
            let mut missed = false;
            let mut conflator = Conflator::new(position("e", 1));
            let mut out = Vec::new();
            for (version, (seat, state, lost, flush)) in (2..).zip(steps) {
                truth[usize::from(seat)] = SeatState::ALL[state];
                if !lost {
                    out.extend(conflator.push(delta("e", version, &format!("{seat}{}", SeatState::ALL[state].letter()))));
                }
                if flush {
                    out.extend(conflator.flush());
                }
                for delta in out.drain(..) {
                    missed |= delta.from_version != at;
                    prop_assert!(delta.version > at);
                    at = delta.version;
                    for change in delta.changes {
                        seen[usize::from(change.seat)] = change.state;
                    }
                }
                if !missed && at == version {
                    prop_assert_eq!(seen, truth);
                }
            }
        }
    }
}
