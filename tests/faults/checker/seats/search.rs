//! Is there an order of the steps that an object allows, and that fits the times of the calls?
//!
//! Depth first with memory, after Wing and Gong ("Testing and Verifying Concurrent Objects", 1993)
//! and Lowe ("Testing for Linearizability", 2017), with three additions:
//!
//! * Objects know time. Each step happens at the earliest moment that its own call and those before
//!   it allow, because whatever is possible at a later moment an object can wait for.
//! * Steps that nobody has to have taken (of calls whose answer is unknown, or of the object itself)
//!   are *hidden*: the object offers them in each state, any number of times.
//! * So what was done and in which state leads nowhere need not be tried again, unless earlier.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use super::super::facts::Window;
use crate::history::Millis;

/// States tried for one object before giving up.
const BUDGET: usize = 200_000;

/// Something that is stepped through.
pub(super) trait Object {
    /// Where it stands.
    type State: Clone + Eq + Hash;
    /// What can be done to it.
    type Step;

    /// Its first state.
    fn begin(&self) -> Self::State;
    /// The state after a step at `now`; none when it cannot be taken in this state.
    fn step(&self, state: &Self::State, step: &Self::Step, now: Millis) -> Option<Self::State>;
    /// What may happen by itself from `now` on: when at the earliest, and the state after.
    fn hidden(&self, state: &Self::State, now: Millis) -> Vec<(Millis, Self::State)>;
}

/// A step that was certainly taken, once, at some moment of a window.
#[derive(Debug, Clone)]
pub(super) struct Taken<S> {
    pub step: S,
    pub window: Window,
}

/// What came of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<S> {
    /// There is an order.
    Order,
    /// There is none. As many steps as possible lead to this state; this step (by its index) is the
    /// next that has to be taken then.
    Stuck { step: usize, state: S },
    /// It takes too long to find out.
    Exhausted,
}

struct Node<S> {
    done: BTreeSet<usize>,
    state: S,
    now: Millis,
}

/// Looks for an order of all steps.
pub(super) fn search<O: Object>(object: &O, steps: &[Taken<O::Step>]) -> Found<O::State> {
    let first = Node { done: BTreeSet::new(), state: object.begin(), now: Millis::MIN };
    let mut best: Option<(usize, usize, O::State)> = None;
    let mut seen: HashMap<(BTreeSet<usize>, O::State), Millis> = HashMap::new();
    let mut stack = vec![first];
    while let Some(Node { done, state, now }) = stack.pop() {
        let left = || steps.iter().enumerate().filter(|(index, _)| !done.contains(index));
        let Some((urgent, deadline)) =
            left().map(|(index, taken)| (index, taken.window.to)).min_by_key(|(_, to)| *to)
        else {
            return Found::Order;
        };
        if best.as_ref().is_none_or(|(count, ..)| *count < done.len()) {
            best = Some((done.len(), urgent, state.clone()));
        }
        if now > deadline {
            continue;
        }
        let key = (done, state);
        if seen.get(&key).is_some_and(|earlier| *earlier <= now) {
            continue;
        }
        if seen.len() >= BUDGET {
            return Found::Exhausted;
        }
        seen.insert(key.clone(), now);
        let (done, state) = key;
        for (at, state) in object.hidden(&state, now) {
            if at <= deadline {
                stack.push(Node { done: done.clone(), state, now: at });
            }
        }
        let mut next: Vec<(Millis, Node<O::State>)> = steps
            .iter()
            .enumerate()
            .filter(|(index, _)| !done.contains(index))
            .filter_map(|(index, taken)| {
                let at = taken.window.enter(now).filter(|at| *at <= deadline)?;
                let state = object.step(&state, &taken.step, at)?;
                let mut done = done.clone();
                done.insert(index);
                Some((taken.window.to, Node { done, state, now: at }))
            })
            .collect();
        // The most urgent is tried first, and hidden steps last.
        next.sort_by_key(|(to, _)| std::cmp::Reverse(*to));
        stack.extend(next.into_iter().map(|(_, node)| node));
    }
    match best {
        Some((_, step, state)) => Found::Stuck { step, state },
        None => Found::Order,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A register that may forget its value from some moment on.
    struct Register {
        forgets_from: Option<Millis>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Access {
        Write(u8),
        Read(u8),
    }

    impl Object for Register {
        type State = u8;
        type Step = Access;

        fn begin(&self) -> u8 {
            0
        }

        fn step(&self, state: &u8, step: &Access, _now: Millis) -> Option<u8> {
            match step {
                Access::Write(value) => Some(*value),
                Access::Read(value) => (value == state).then_some(*state),
            }
        }

        fn hidden(&self, _state: &u8, now: Millis) -> Vec<(Millis, u8)> {
            self.forgets_from.map(|from| (from.max(now), 0)).into_iter().collect()
        }
    }

    fn taken(step: Access, from: Millis, to: Millis) -> Taken<Access> {
        Taken { step, window: Window { from, to } }
    }

    fn linearizable(steps: &[Taken<Access>]) -> bool {
        search(&Register { forgets_from: None }, steps) == Found::Order
    }

    #[test]
    fn calls_that_overlap_can_be_in_any_order_and_others_cannot() {
        use Access::{Read, Write};
        assert!(linearizable(&[taken(Write(1), 0, 10), taken(Read(0), 5, 6), taken(Read(1), 7, 8)]));
        assert!(!linearizable(&[taken(Write(1), 0, 10), taken(Read(1), 5, 6), taken(Read(0), 7, 8)]));
        assert!(!linearizable(&[taken(Write(1), 0, 4), taken(Read(0), 5, 6)]));
        assert!(linearizable(&[taken(Write(1), 0, Millis::MAX), taken(Read(0), 5, 6)]));
    }

    #[test]
    fn hidden_steps_explain_only_what_comes_after_them() {
        use Access::{Read, Write};
        let steps = [taken(Write(1), 0, 4), taken(Read(0), 5, 6)];
        assert_eq!(search(&Register { forgets_from: Some(6) }, &steps), Found::Order);
        let stuck = search(&Register { forgets_from: Some(7) }, &steps);
        assert_eq!(stuck, Found::Stuck { step: 1, state: 1 });
    }

    /// Tries all orders.
    fn brute_force(steps: &[Taken<Access>], state: u8, now: Millis) -> bool {
        steps.is_empty()
            || (0..steps.len()).any(|index| {
                let mut rest = steps.to_vec();
                let Taken { step, window } = rest.remove(index);
                let register = Register { forgets_from: None };
                window
                    .enter(now)
                    .and_then(|at| Some((at, register.step(&state, &step, at)?)))
                    .is_some_and(|(at, state)| brute_force(&rest, state, at))
            })
    }

    proptest! {
        #[test]
        fn it_finds_what_trying_all_orders_finds(
            steps in prop::collection::vec((any::<bool>(), 0_u8..3, 0_i64..12, 0_i64..6), 0..7)
        ) {
            let steps: Vec<_> = steps
                .into_iter()
                .map(|(write, value, from, length)| {
                    let step = if write { Access::Write(value) } else { Access::Read(value) };
                    taken(step, from, from + length)
                })
                .collect();
            prop_assert_eq!(linearizable(&steps), brute_force(&steps, 0, Millis::MIN));
        }
    }
}
