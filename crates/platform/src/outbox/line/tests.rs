use std::collections::{BTreeSet, HashSet};

use super::*;
use kernel::id::EventId;

fn row(key: u128, seq: i64) -> Row {
    Row {
        place: Place { key: Uuid::from_u128(key), seq },
        id: EventId::from_uuid(Uuid::from_u128(seq.unsigned_abs().into())),
        name: "test.happened".to_owned(),
        version: 1,
        time: DateTime::UNIX_EPOCH,
        trace: None,
        body: "null".to_owned(),
    }
}

fn line(rows: impl IntoIterator<Item = (u128, i64)>) -> Line {
    let line = Line::new();
    line.add(rows.into_iter().map(|(key, seq)| row(key, seq)).collect());
    line
}

fn sent(line: &Line) -> Vec<Place> {
    std::iter::from_fn(|| line.next()).map(|row| row.place).collect()
}

fn seqs(places: &[Place]) -> Vec<i64> {
    places.iter().map(|place| place.seq).collect()
}

#[tokio::test]
async fn the_next_event_of_a_key_waits_for_the_confirm_of_the_one_before() {
    let line = line([(7, 1), (8, 2), (7, 3), (9, 4), (8, 5)]);
    let first = sent(&line);
    assert_eq!(seqs(&first), [1, 2, 4]);
    line.settle(first[1], Ok(()));
    assert_eq!(seqs(&sent(&line)), [5]);
    line.settle(first[0], Ok(()));
    assert_eq!(seqs(&sent(&line)), [3]);
}

#[tokio::test]
async fn what_committed_late_is_sent_before_what_waits_behind_it() {
    let line = line([(7, 2), (7, 5), (7, 9)]);
    let first = sent(&line);
    line.add(vec![row(7, 4), row(7, 6), row(7, 12)]);
    let mut order = seqs(&first);
    let mut last = first[0];
    while order.len() < 6 {
        line.settle(last, Ok(()));
        last = sent(&line)[0];
        order.push(last.seq);
    }
    assert_eq!(order, [2, 4, 5, 6, 9, 12]);
}

#[tokio::test]
async fn a_refused_event_is_overtaken_by_other_keys_only() {
    let line = line([(7, 1), (8, 2), (7, 3), (8, 4), (7, 5)]);
    let first = sent(&line);
    line.settle(first[0], Err(RabbitError::Refused));
    assert!(sent(&line).is_empty(), "nothing of its key is sent");
    assert!(!line.takes(1), "nor read");
    assert!(!line.is_over());
    line.settle(first[1], Ok(()));
    let other = sent(&line);
    assert_eq!(seqs(&other), [4]);
    line.settle(other[0], Ok(()));
    assert!(line.is_over());
    assert_eq!(seqs(&line.confirmed(false)), [2, 4]);
    assert!(matches!(line.into_failure(), Some(RabbitError::Refused)));
}

#[tokio::test]
async fn what_was_read_before_a_refusal_does_not_overtake_what_was_refused() {
    let line = line([(7, 1)]);
    let first = sent(&line);
    line.settle(first[0], Err(RabbitError::Refused));
    line.add(vec![row(7, 2)]);
    assert!(sent(&line).is_empty());
    assert!(line.is_over());
}

#[tokio::test]
async fn what_is_known_is_not_taken_twice() {
    let line = line([(7, 1), (8, 2)]);
    let first = sent(&line);
    line.add(vec![row(7, 1), row(8, 2), row(8, 3)]);
    line.settle(first[0], Ok(()));
    assert!(sent(&line).is_empty());
    assert_eq!(line.known(), [1, 2, 3]);
    let confirmed = line.confirmed(true);
    assert_eq!(line.known(), [1, 2, 3], "not deleted yet");
    line.forget(&confirmed);
    assert_eq!(line.known(), [2, 3]);
}

#[tokio::test]
async fn deletions_are_gathered_as_long_as_something_is_under_way() {
    let line = line([(7, 1), (8, 2)]);
    let first = sent(&line);
    line.settle(first[0], Ok(()));
    assert!(line.confirmed(false).is_empty());
    line.settle(first[1], Ok(()));
    line.settled().await;
    assert_eq!(seqs(&line.confirmed(false)), [1, 2]);
    assert!(line.rests());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nothing_of_the_database_sends_nothing_new() {
    let line = line([(7, 1), (7, 2), (8, 3)]);
    assert_eq!(line.next().unwrap().place.seq, 1);
    tokio::time::advance(TRUSTED_FOR).await;
    assert!(line.next().is_none());
    assert!(!line.rests(), "it only waits");
    line.sendable().await;
    line.prove();
    line.sendable().await;
    assert_eq!(line.next().unwrap().place.seq, 3);
}

#[tokio::test]
async fn what_is_in_doubt_is_not_confirmed() {
    let line = line([(7, 1), (8, 2), (9, 3)]);
    let first = sent(&line);
    line.settle(first[2], Ok(()));
    line.lose(RabbitError::Lost);
    assert!(line.is_over());
    assert_eq!(seqs(&line.confirmed(false)), [3]);
    assert!(matches!(line.into_failure(), Some(RabbitError::Lost)));
}

#[tokio::test]
async fn a_closed_line_ends_with_what_is_under_way() {
    let line = line([(7, 1), (7, 2), (8, 3)]);
    let first = line.next().unwrap().place;
    line.close();
    assert!(line.next().is_none() && !line.is_over());
    line.settle(first, Ok(()));
    assert!(line.is_over());
    assert_eq!(seqs(&line.confirmed(false)), [1]);
    assert!(line.into_failure().is_none());
}

/// xorshift64*: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

/// A table, a broker that refuses and loses, and what came out.
struct World {
    dice: Dice,
    table: BTreeSet<(i64, u128)>,
    /// Appended and not committed yet.
    late: Vec<(i64, u128)>,
    appended: i64,
    /// Numbers as the broker took them, by key.
    taken: HashMap<u128, Vec<i64>>,
    /// Of each event, the one of its key that was committed last when it was appended.
    before: HashMap<i64, i64>,
}

impl World {
    fn append(&mut self) {
        let key = self.dice.roll(6) as u128;
        self.appended += 1;
        let committed = self.table.iter().filter(|(_, other)| *other == key).map(|(seq, _)| *seq).max();
        if let Some(before) =
            committed.max(self.taken.get(&key).and_then(|taken| taken.iter().max().copied()))
        {
            self.before.insert(self.appended, before);
        }
        if self.dice.roll(4) == 0 {
            self.late.push((self.appended, key));
        } else {
            self.table.insert((self.appended, key));
        }
    }

    fn commit_one(&mut self) {
        if !self.late.is_empty() {
            let place = self.dice.roll(self.late.len());
            let late = self.late.swap_remove(place);
            self.table.insert(late);
        }
    }

    fn read(&self, line: &Line, limit: usize) -> Vec<Row> {
        let known: HashSet<i64> = line.known().into_iter().collect();
        let oldest = self.table.iter().take(known.len() + limit);
        oldest.filter(|(seq, _)| !known.contains(seq)).map(|(seq, key)| row(*key, *seq)).collect()
    }

    fn take(&mut self, place: Place) {
        let taken = self.taken.entry(place.key.as_u128()).or_default();
        if let Some(before) = self.before.get(&place.seq) {
            assert!(taken.contains(before), "{} overtakes {before} of {}", place.seq, place.key);
        }
        taken.push(place.seq);
    }

    fn run(&mut self, appends: i64) {
        while self.appended < appends || !self.table.is_empty() || !self.late.is_empty() {
            let line = Line::new();
            let mut under_way: Vec<Place> = Vec::new();
            // The database has answered, and the answer is on its way.
            let mut reading: Option<Vec<Row>> = None;
            while !line.is_over() {
                match self.dice.roll(12) {
                    0 | 1 if self.appended < appends => self.append(),
                    2 => self.commit_one(),
                    3 | 4 => match reading.take() {
                        Some(rows) => line.add(rows),
                        None => reading = line.takes(5).then(|| self.read(&line, 5)),
                    },
                    5 if reading.is_none() => {
                        let confirmed = line.confirmed(true);
                        for place in &confirmed {
                            self.table.remove(&(place.seq, place.key.as_u128()));
                        }
                        line.forget(&confirmed);
                    }
                    6 if self.dice.roll(30) == 0 => line.close(),
                    7 if self.dice.roll(30) == 0 => {
                        // Some of what is in doubt came through.
                        for place in std::mem::take(&mut under_way) {
                            if self.dice.roll(2) == 0 {
                                self.take(place);
                            }
                        }
                        line.lose(RabbitError::Lost);
                    }
                    8 | 9 => under_way.extend(line.next().map(|row| row.place)),
                    _ if !under_way.is_empty() => {
                        let place = under_way.swap_remove(self.dice.roll(under_way.len()));
                        if self.dice.roll(20) == 0 {
                            line.settle(place, Err(RabbitError::Refused));
                        } else {
                            self.take(place);
                            line.settle(place, Ok(()));
                        }
                    }
                    _ if self.appended >= appends && self.table.is_empty() && self.late.is_empty() => {
                        line.close();
                    }
                    _ => {}
                }
                let keys: HashSet<Uuid> = under_way.iter().map(|place| place.key).collect();
                assert_eq!(keys.len(), under_way.len(), "two of a key are under way");
            }
            for place in line.confirmed(true) {
                self.table.remove(&(place.seq, place.key.as_u128()));
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_forgotten_and_nothing_overtakes_its_cause() {
    for seed in 1..=200_u64 {
        let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (table, late, taken, before) = Default::default();
        let mut world = World { dice, table, late, appended: 0, taken, before };
        world.run(120);
        let taken: BTreeSet<i64> = world.taken.values().flatten().copied().collect();
        assert_eq!(taken.len(), 120, "seed {seed}");
    }
}
