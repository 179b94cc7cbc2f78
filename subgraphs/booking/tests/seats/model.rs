//! Random operations, against a model that fits on a page: the seats are what the model says, the
//! versions have no gap, and whoever applies the deltas sees the same.

use std::collections::BTreeMap;

use booking::{
    domain::{
        best_available::{Plan, choose},
        hold::Hold,
    },
    store::seats::{Applied, Ownership, Placed, Released, Wanted},
};
use kernel::{BookingId, SeatState, ShowId};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use crate::{
    hall::{Deltas, Hall, LONG, claimed},
    support::{person, uuid},
};

const LAYOUT: &str = "A:RRRR_RRRR/B:PPPPWC/C:RRR_R_RRR";
const SEATS: u16 = 21;
const BOOKINGS: usize = 6;

#[derive(Debug, Clone)]
enum Step {
    Hold(Vec<u16>),
    Best(u16),
    Release(usize),
    Extend(usize),
    Decide { booking: usize, version: i64, seats: Vec<u16>, kind: u8, from: Option<usize> },
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seats = || {
        prop::collection::btree_set(0..SEATS, 1..5).prop_map(|seats| seats.into_iter().collect::<Vec<_>>())
    };
    let decide = (0..BOOKINGS, 1..6_i64, seats(), 0..3_u8, prop::option::of(0..8_usize)).prop_map(
        |(booking, version, seats, kind, from)| Step::Decide { booking, version, seats, kind, from },
    );
    let step = prop_oneof![
        5 => seats().prop_map(Step::Hold),
        3 => (1..5_u16).prop_map(Step::Best),
        3 => (0..8_usize).prop_map(Step::Release),
        1 => (0..8_usize).prop_map(Step::Extend),
        5 => decide,
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..80)
}

/// Who has a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Hold(usize),
    Booking(usize, char),
}

#[derive(Default)]
struct Model {
    owners: BTreeMap<u16, Owner>,
    holds: Vec<Hold>,
    versions: BTreeMap<usize, i64>,
}

impl Model {
    fn states(&self) -> String {
        let letter = |seat| match self.owners.get(&seat) {
            None => 'A',
            Some(Owner::Hold(_)) => 'H',
            Some(Owner::Booking(_, letter)) => *letter,
        };
        (0..SEATS).map(letter).collect()
    }

    fn lives(&self, hold: usize) -> bool {
        self.owners.values().any(|owner| *owner == Owner::Hold(hold))
    }

    fn end(&mut self, hold: usize) {
        self.owners.retain(|_, owner| *owner != Owner::Hold(hold));
    }

    /// What telling of a decision should do.
    fn decide(
        &mut self,
        booking: usize,
        version: i64,
        seats: &[u16],
        letter: Option<char>,
        from: Option<usize>,
    ) -> &'static str {
        if self.versions.get(&booking).is_some_and(|known| *known >= version) {
            return "stale";
        }
        let seats = if letter.is_some() { seats } else { &[] };
        let rival =
            |seat: &u16| matches!(self.owners.get(seat), Some(Owner::Booking(other, _)) if *other != booking);
        if seats.iter().any(rival) {
            return "conflict";
        }
        self.versions.insert(booking, version);
        self.owners.retain(|_, owner| !matches!(owner, Owner::Booking(other, _) if *other == booking));
        let losers: Vec<usize> = seats
            .iter()
            .filter_map(|seat| match self.owners.get(seat) {
                Some(Owner::Hold(hold)) => Some(*hold),
                _ => None,
            })
            .chain(from)
            .collect();
        for hold in losers {
            self.end(hold);
        }
        self.owners.extend(
            letter
                .into_iter()
                .flat_map(|letter| seats.iter().map(move |seat| (*seat, Owner::Booking(booking, letter)))),
        );
        "done"
    }
}

/// Somebody who only reads deltas.
struct Viewer {
    deltas: Deltas,
    states: Vec<u8>,
    version: u64,
}

impl Viewer {
    async fn catch_up(&mut self, version: u64) {
        while self.version < version {
            let delta = self.deltas.next().await;
            assert_eq!((delta.from_version, delta.version), (self.version, self.version + 1));
            assert_ne!(delta.changes, [], "a version in which nothing changed");
            for change in delta.changes {
                let state = &mut self.states[usize::from(change.seat)];
                assert_ne!(*state, change.state.byte(), "seat {} did not change", change.seat);
                *state = change.state.byte();
            }
            self.version = delta.version;
        }
    }
}

async fn play(hall: &Hall, steps: &[Step]) {
    let plan = Plan::new(&hall.layout);
    let mut model = Model::default();
    let mut viewer = Viewer {
        deltas: hall.deltas().await,
        states: vec![SeatState::Available.byte(); SEATS.into()],
        version: 1,
    };
    for step in steps {
        match step {
            Step::Hold(seats) => {
                let free = seats.iter().all(|seat| !model.owners.contains_key(seat));
                let placed = hall.place(&hall.request(person(), LONG), seats).await;
                keep(&mut model, placed, free.then(|| seats.clone()));
            }
            Step::Best(quantity) => {
                let expected = choose(&plan, model.states().as_bytes(), usize::from(*quantity), None);
                let wanted = Wanted::Best { quantity: *quantity, kind: None };
                let placed = hall.store.hold(&hall.request(person(), LONG), wanted).await.unwrap();
                keep(&mut model, placed, expected.map(Iterator::collect));
            }
            Step::Release(hold) => {
                if let Some(found) = model.holds.get(*hold).cloned() {
                    let lives = model.lives(*hold);
                    assert_eq!(hall.release(&found).await == Released::Done, lives);
                    model.end(*hold);
                }
            }
            Step::Extend(hold) => {
                if let Some(found) = model.holds.get(*hold) {
                    hall.store.hold_extend(found.id, found.owner, LONG, LONG * 2).await.unwrap();
                }
            }
            Step::Decide { booking, version, seats, kind, from } => {
                let from = from.filter(|hold| *hold < model.holds.len());
                let (letter, ownership) = match kind {
                    0 => (Some('H'), claimed()),
                    1 => (Some('S'), Ownership::Sold),
                    _ => (None, Ownership::Freed),
                };
                let origin = from.map(|hold| model.holds[hold].id);
                let expected = model.decide(*booking, *version, seats, letter, from);
                let id = BookingId::new(hall.show, *booking as u64);
                let found = match hall.apply_from(origin, id, *version, seats, ownership).await {
                    Applied::Done { .. } => "done",
                    Applied::Stale => "stale",
                    Applied::Conflict { .. } => "conflict",
                    Applied::Noted => "noted",
                };
                assert_eq!(found, expected, "{step:?}");
            }
            Step::Reload => {
                // PostgreSQL has nothing to say that Redis was not told.
                hall.load(&[]).await;
                let fresh = viewer.deltas.next().await;
                assert_eq!((fresh.version, fresh.changes), (1, Vec::new()));
                viewer.version = 1;
            }
        }
        let snapshot = hall.snapshot().await;
        assert_eq!(String::from_utf8_lossy(&snapshot.states), model.states(), "after {step:?}");
        viewer.catch_up(snapshot.position.version).await;
        assert_eq!(viewer.states, snapshot.states, "after {step:?}");
    }
}

fn keep(model: &mut Model, placed: Placed, expected: Option<Vec<u16>>) {
    match placed {
        Placed::Held { hold, .. } => {
            assert_eq!(Some(&hold.seats), expected.as_ref());
            let number = model.holds.len();
            model.owners.extend(hold.seats.iter().map(|seat| (*seat, Owner::Hold(number))));
            model.holds.push(hold);
        }
        Placed::Taken { states } => {
            assert_eq!(expected, None);
            assert_eq!(String::from_utf8_lossy(&states), model.states());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn seats_versions_and_deltas_follow_the_model() {
    let mut hall = Hall::closed(LAYOUT).await;
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..60 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        hall.show = ShowId::from_uuid(uuid());
        hall.load(&[]).await;
        play(&hall, &steps).await;
    }
}
