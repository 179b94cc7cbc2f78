//! What is done in a round, and when: all of it from the seed.

use std::time::Duration;

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use super::{
    Kind,
    harm::{Harm, action, harm, processes, wait},
    steps::{self, Batch, Need},
};

/// Nothing is done before that: somebody should have seats by then.
const CALM: Duration = Duration::from_millis(500);
/// Faults of a round, besides the failpoints of every second one.
const FEWEST: usize = 2;
const MOST: usize = 5;
/// How often a place for a fault is looked for among the others.
const ATTEMPTS: usize = 20;
/// Turns from which a batch of failpoints is drawn where none is due.
const TURNS: u64 = 1_000;
/// A step in the handler of a worker: one that fails there puts its message aside.
const FAILS: (&str, &str) = ("notify.committed", "2*panic");

/// What is done in a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The faults, in the order of their beginnings.
    pub faults: Vec<Planned>,
    /// [`Kind::CancelShow`]
    pub calling_off: Option<CallingOff>,
    /// What becomes of claims whose payment may have been made.
    pub claims: Claims,
}

/// How long a claim goes on whose payment may have been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// As long as it has to.
    Wait,
    /// For a moment.
    Yield,
    /// Not at all, so that payments come late.
    End,
}

/// A show is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallingOff {
    /// When, from the beginning of the round.
    pub at: Duration,
    /// Which of the round's shows: any number will do.
    pub show: usize,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// When it begins, from the beginning of the round.
    pub at: Duration,
    /// How long it lasts, where it lasts.
    pub lasts: Duration,
    /// What is done.
    pub harm: Harm,
}

impl Plan {
    /// The plan of this seed for a round of this length. Only of these kinds, or of all when none
    /// is named. As many seeds in a row as half the number of kinds have each kind at least once,
    /// and every second seed arms the next steps of the platform.
    pub fn new(seed: u64, length: Duration, only: &[Kind]) -> Self {
        let kinds = if only.is_empty() { Kind::value_variants() } else { only };
        let mut draft = Draft {
            kinds,
            length,
            rng: StdRng::seed_from_u64(seed),
            plan: Self { faults: Vec::new(), calling_off: None, claims: claims(seed) },
        };
        let count = draft.rng.random_range(FEWEST..=MOST);
        for number in 0..FEWEST {
            // The second one is of a kind that is far from the first in the list, and so seldom in
            // its way.
            let turn = (seed % kinds.len() as u64) as usize + number * kinds.len() / FEWEST;
            draft.add(kinds.get(turn % kinds.len()).copied());
        }
        if seed.is_multiple_of(2) && kinds.contains(&Kind::Failpoint) {
            draft.arm(&steps::batch(seed / 2));
        }
        for _ in FEWEST..count {
            let drawn = kinds.choose(&mut draft.rng).copied();
            draft.add(drawn);
        }
        let mut plan = draft.plan;
        plan.faults.sort_by_key(|fault| fault.at);
        plan
    }
}

/// In most rounds claims wait.
const fn claims(seed: u64) -> Claims {
    match seed % 5 {
        1 => Claims::End,
        3 => Claims::Yield,
        _ => Claims::Wait,
    }
}

/// A plan in the making.
struct Draft<'k> {
    kinds: &'k [Kind],
    length: Duration,
    rng: StdRng,
    plan: Plan,
}

impl Draft<'_> {
    fn add(&mut self, kind: Option<Kind>) {
        match kind {
            None => {}
            Some(Kind::CancelShow) => self.call_off(self.length),
            Some(Kind::Failpoint) => {
                let turn = self.rng.random_range(0..TURNS);
                self.arm(&steps::batch(turn));
            }
            Some(kind) => self.fit(|rng, length| Some(draw(harm(kind, rng)?, length, rng))),
        }
    }

    /// Adds such a fault where there is room for it. A round that is too short for two faults on one
    /// server has one only.
    fn fit(&mut self, draw: impl Fn(&mut StdRng, Duration) -> Option<Planned>) {
        let Self { plan, rng, length, .. } = self;
        let fits = (0..ATTEMPTS)
            .filter_map(|_| draw(rng, *length))
            .find(|fault| plan.faults.iter().all(|other| !fault.collides(other)));
        plan.faults.extend(fits);
    }

    /// Lets a show be called off before that.
    fn call_off(&mut self, before: Duration) {
        let latest = before.max(2 * CALM) - CALM;
        let at = self.rng.random_range(CALM..=latest.max(CALM));
        let show = self.rng.random_range(0..100);
        self.plan.calling_off.get_or_insert(CallingOff { at, show });
    }

    /// Arms these steps, in one process of their kind or in all, and does what else they need.
    fn arm(&mut self, Batch { role, need, steps }: &Batch) {
        let lasting = *need != Need::Nothing;
        self.fit(|rng, length| {
            // One of them may be deadly: where all are, only the first is ever passed.
            let deadly = rng.random_range(0..steps.len().max(1));
            let does = |(place, step): (usize, &&'static str)| {
                (*step, if place == deadly { action(rng) } else { wait(rng) })
            };
            let mut armed: Vec<(&str, String)> = steps.iter().enumerate().map(does).collect();
            if *need == Need::FailingHandler {
                armed.push((FAILS.0, FAILS.1.to_owned()));
            }
            let mut processes = processes(*role);
            if rng.random() {
                processes = processes.choose(rng).copied().into_iter().collect();
            }
            let fault = draw(Harm::Failpoint { processes, steps: armed }, length, rng);
            // What else is needed takes its time.
            let at = CALM.min(length);
            Some(if lasting { Planned { at, lasts: length - at, ..fault } } else { fault })
        });
        let harm = match need {
            Need::RedisAway => Harm::RedisRefuse,
            Need::RedisEmpty => Harm::RedisRestartEmpty,
            Need::WebhooksLost => Harm::WebhookChaos { switches: json!({ "webhook": { "drop": true } }) },
            Need::CalledOff if self.kinds.contains(&Kind::CancelShow) => {
                return self.call_off(self.length / 2);
            }
            Need::LatePayments => {
                self.plan.claims = Claims::End;
                return;
            }
            Need::CalledOff | Need::FailingHandler | Need::Nothing => return,
        };
        if self.kinds.contains(&harm.kind()) {
            // Early, so that there is time for what comes of it.
            self.fit(|rng, length| Some(draw(harm.clone(), length * 2 / 3, rng)));
        }
    }
}

/// This fault, somewhere in a round of this length.
fn draw(harm: Harm, length: Duration, rng: &mut StdRng) -> Planned {
    let longest = length.saturating_sub(CALM);
    let lasts = Duration::from_millis(rng.random_range(harm.lasts_ms())).min(longest);
    let latest = length.saturating_sub(lasts).max(CALM);
    let at = rng.random_range(CALM..=latest);
    Planned { at, lasts, harm }
}

impl Planned {
    fn collides(&self, other: &Self) -> bool {
        let after = |fault: &Self| fault.at + fault.lasts + fault.harm.aftermath();
        let apart = after(self) < other.at || after(other) < self.at;
        let (mine, theirs) = (self.harm.places(), other.harm.places());
        let same = mine.iter().any(|place| theirs.contains(place) || other.harm.sets(place))
            || theirs.iter().any(|place| self.harm.sets(place));
        same && !apart
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const LENGTH: Duration = Duration::from_secs(8);

    fn plans() -> impl Iterator<Item = Plan> {
        (0..200).map(|seed| Plan::new(seed, LENGTH, &[]))
    }

    #[test]
    fn a_seed_is_a_plan() {
        for seed in 0..50 {
            assert_eq!(Plan::new(seed, LENGTH, &[]), Plan::new(seed, LENGTH, &[]));
        }
        assert_ne!(Plan::new(1, LENGTH, &[]), Plan::new(17, LENGTH, &[]));
    }

    #[test]
    fn a_few_seeds_have_every_kind() {
        for first in [0, 5, 1_000] {
            let seeds = first..first + 9;
            let mut kinds = BTreeSet::new();
            for plan in seeds.map(|seed| Plan::new(seed, LENGTH, &[])) {
                kinds.extend(plan.faults.iter().map(|fault| fault.harm.kind()));
                kinds.extend(plan.calling_off.map(|_| Kind::CancelShow));
            }
            assert_eq!(kinds.len(), Kind::value_variants().len(), "{kinds:?}");
        }
    }

    #[test]
    fn faults_begin_after_the_calm_and_end_in_the_round() {
        for fault in plans().flat_map(|plan| plan.faults) {
            assert!(fault.at >= CALM && fault.at + fault.lasts <= LENGTH, "{fault:?}");
        }
    }

    #[test]
    fn nothing_is_done_to_one_thing_twice_at_a_time() {
        for Plan { faults, .. } in plans() {
            // With the failpoints that are due, and what they need.
            assert!((1..=MOST + 2).contains(&faults.len()), "{faults:?}");
            for (place, fault) in faults.iter().enumerate() {
                assert!(faults[..place].iter().all(|other| !fault.collides(other)), "{faults:?}");
            }
        }
    }

    #[test]
    fn only_means_only() {
        for seed in 0..10 {
            let Plan { faults, calling_off, .. } = Plan::new(seed, LENGTH, &[Kind::Kill]);
            assert!(!faults.is_empty() && calling_off.is_none());
            assert!(faults.iter().all(|fault| fault.harm.kind() == Kind::Kill));
        }
    }

    #[test]
    fn claims_wait_in_most_rounds_and_end_where_payments_have_to_be_late() {
        let of = |claims: Claims| plans().filter(move |plan| plan.claims == claims).count();
        assert!(of(Claims::Wait) > 100 && of(Claims::Yield) > 30 && of(Claims::End) > 40);
        let late = |fault: &Planned| match &fault.harm {
            Harm::Failpoint { steps, .. } => {
                steps.iter().any(|(step, _)| *step == "confirm.equivalent_claimed")
            }
            _ => false,
        };
        assert!(plans().filter(|plan| plan.faults.iter().any(late)).all(|plan| plan.claims == Claims::End));
    }

    #[test]
    fn short_rounds_have_short_faults() {
        let short = Duration::from_secs(1);
        let faults = (0..50).flat_map(|seed| Plan::new(seed, short, &[]).faults);
        assert!(faults.into_iter().all(|fault| fault.at + fault.lasts <= short));
    }

    #[test]
    fn a_run_arms_every_step_and_calls_shows_off_in_a_fifth_of_its_rounds() {
        let plans: Vec<_> = plans().collect();
        let mut armed: BTreeMap<&str, usize> = BTreeMap::new();
        for fault in plans.iter().flat_map(|plan| &plan.faults) {
            if let Harm::Failpoint { steps, .. } = &fault.harm {
                steps.iter().for_each(|(step, _)| *armed.entry(step).or_default() += 1);
            }
        }
        for step in steps::all() {
            assert!(armed.get(step).is_some_and(|often| *often >= 3), "{step}: {armed:?}");
        }
        let off = plans.iter().filter(|plan| plan.calling_off.is_some()).count();
        assert!((30..=80).contains(&off), "{off}");
        assert!(plans.iter().filter_map(|plan| plan.calling_off).all(|off| off.at < LENGTH));
    }
}
