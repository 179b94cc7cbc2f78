//! What a run found out, for machines and for people.

mod felt;
mod spread;

use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use xtask::console;

use crate::{
    checker::Rule,
    history::{Action, Call, Fault, History, Outcome},
    mutants::Mutant,
    nemesis::{Kind, steps},
    round::{Played, Times},
    stand::Death,
};
use felt::Felt;
use spread::Spread;

/// Numbers by two names: how often each outcome of each action was seen.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The report of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The deliberate bug that was to be caught.
    #[serde(serialize_with = "name")]
    mutant: Option<&'static Mutant>,
    /// The seed that caught it.
    caught: Option<u64>,
    /// Outcomes by action.
    operations: Counts,
    /// Faults by kind.
    faults: BTreeMap<String, u64>,
    /// Failpoints by name.
    steps: BTreeMap<String, Step>,
    /// Violations by rule.
    violations: BTreeMap<Rule, u64>,
    /// What the reconciliation found, by cause; what it put right, too.
    findings: BTreeMap<String, u64>,
    /// What deaths were felt like.
    #[serde(flatten)]
    felt: Felt,
    /// Milliseconds that rounds took to come to rest.
    settled_ms: Spread,
    /// Every round.
    rounds: Vec<Summary>,
}

/// A failpoint.
#[derive(Debug, Default, Serialize)]
struct Step {
    /// How often it was set.
    armed: u64,
    /// How often it did something.
    tripped: u64,
}

/// One round.
#[derive(Debug, Serialize)]
struct Summary {
    seed: u64,
    operations: usize,
    faults: Vec<Fault>,
    deaths: Vec<Death>,
    settled_ms: Option<u64>,
    times_ms: Times,
    violations: Vec<String>,
}

impl Report {
    /// An empty one.
    pub fn new(mutant: Option<&'static Mutant>) -> Self {
        let steps = steps::all().map(|step| (step.to_owned(), Step::default())).collect();
        Self { mutant, steps, ..Self::default() }
    }

    /// How many rounds were played.
    pub const fn rounds(&self) -> u64 {
        self.rounds.len() as u64
    }

    /// Takes in a round.
    pub fn add(&mut self, played: Played) {
        let Played { seed, history, observed, deaths, tripped, violations, times } = played;
        let caught = self.mutant.is_some_and(|mutant| mutant.is_caught_by(&violations));
        self.caught = self.caught.or(caught.then_some(seed));
        for call in &history.calls {
            let outcomes = self.operations.entry(action(call).to_owned()).or_default();
            *outcomes.entry(outcome(call).to_owned()).or_default() += 1;
        }
        for kind in kinds(&history) {
            *self.faults.entry(kind).or_default() += 1;
        }
        for fault in &history.faults {
            for step in &fault.steps {
                self.steps.entry(step.clone()).or_default().armed += 1;
            }
        }
        for (step, count) in tripped {
            self.steps.entry(step).or_default().tripped += count;
        }
        for violation in &violations {
            *self.violations.entry(violation.rule).or_default() += 1;
        }
        for finding in observed.findings {
            *self.findings.entry(finding.cause).or_default() += 1;
        }
        self.felt.add(&deaths, &history.faults, &observed.audit);
        if let Some(settled) = observed.settled_ms {
            self.settled_ms.add(settled);
        }
        self.rounds.push(Summary {
            seed,
            operations: history.calls.len(),
            faults: history.faults,
            deaths,
            settled_ms: observed.settled_ms,
            times_ms: times,
            violations: violations.iter().map(ToString::to_string).collect(),
        });
    }

    /// One line for a round that is about to be added.
    pub fn line(&self, played: &Played) -> String {
        let Played { seed, history, observed, violations, times, .. } = played;
        let verdict = match violations.len() {
            0 => "ok".to_owned(),
            count => format!("{count} VIOLATIONS"),
        };
        let settled = observed.settled_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
        let Times { start, faults, heal, settle, check } = times;
        format!(
            "{seed:>10}  {verdict}  {} operations, {}; settled {settled} (s: {}) ",
            history.calls.len(),
            kinds(history).join(" "),
            [start, faults, heal, settle, check]
                .map(|ms| format!("{:.1}", Duration::from_millis(*ms).as_secs_f64()))
                .join("+"),
        )
    }

    /// The first line of what people read.
    pub fn verdict(&self, took: Duration) -> String {
        let rounds = self.rounds.len();
        let violations: u64 = self.violations.values().sum();
        let took = console::duration(took);
        if let Some(Mutant { name, rule, .. }) = self.mutant {
            return match self.caught {
                Some(seed) => format!("The mutant {name} is caught by seed {seed}: {rule} ({took})"),
                None => format!("The mutant {name} LIVES after {rounds} rounds ({took})"),
            };
        }
        match self.rounds.iter().find(|round| !round.violations.is_empty()) {
            None => format!("{rounds} rounds, no violations ({took})"),
            Some(Summary { seed, .. }) => {
                format!("{rounds} rounds, {violations} VIOLATIONS, the first with seed {seed} ({took})")
            }
        }
    }

    /// The seed that caught the mutant, if one has.
    pub const fn caught(&self) -> Option<u64> {
        self.caught
    }

    /// Whether all was as it should be: without violations, or, with a mutant, not without the one that
    /// it has to be caught by.
    pub fn is_good(&self) -> bool {
        match self.mutant {
            Some(_) => self.caught.is_some(),
            None => self.violations.is_empty(),
        }
    }

    /// The page that people read.
    pub fn page(&self) -> Vec<String> {
        let mut page = Vec::new();
        let total: u64 = self.operations.values().flat_map(BTreeMap::values).sum();
        page.push(format!("operations    {total}"));
        for (action, outcomes) in &self.operations {
            page.push(format!("  {action:<12}{}", counts(outcomes)));
        }
        page.push(format!("faults        {}", total_of(&self.faults)));
        page.push(self.steps_tripped());
        page.push(format!("findings      {}", total_of(&self.findings)));
        page.extend(self.felt.page());
        page.push(format!("{:<46}{}", "the platform is at rest after the faults", self.settled_ms.text()));
        if !self.violations.is_empty() {
            page.push(format!("violations    {}", counts(&self.violations)));
        }
        page
    }

    /// How many of the platform's failpoints did something.
    fn steps_tripped(&self) -> String {
        /// More names than these tell nothing; they are in the report for machines.
        const NAMED: usize = 24;
        let never = self.steps.iter().filter(|(_, step)| step.tripped == 0);
        let never: Vec<&str> = never.map(|(name, _)| name.as_str()).collect();
        let (all, tripped) = (self.steps.len(), self.steps.len() - never.len());
        let named = match never.len() {
            1..=NAMED => format!("; never: {}", never.join(", ")),
            _ => String::new(),
        };
        format!("steps         tripped {tripped} of {all}{named}")
    }

    /// Writes the report for machines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn name<S: Serializer>(mutant: &Option<&'static Mutant>, serializer: S) -> Result<S::Ok, S::Error> {
    mutant.map(|mutant| mutant.name).serialize(serializer)
}

fn counts<T: fmt::Display>(counts: &BTreeMap<T, u64>) -> String {
    let texts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    texts.join(", ")
}

/// How many there are, and of which.
fn total_of(of: &BTreeMap<String, u64>) -> String {
    match of.values().sum::<u64>() {
        0 => "none".to_owned(),
        total => format!("{total}: {}", counts(of)),
    }
}

/// What was done to the platform, by kind; also what is no fault, but a request of the manager's.
fn kinds(history: &History) -> Vec<String> {
    let mut called_off: Vec<&str> = history.calls.iter().filter_map(show_called_off).collect();
    called_off.sort_unstable();
    called_off.dedup();
    let faults = history.faults.iter().map(|fault| fault.kind.clone());
    let mut kinds: Vec<String> = faults.chain(called_off.iter().map(|_| Kind::CancelShow.name())).collect();
    kinds.sort_unstable();
    kinds
}

fn show_called_off(call: &Call) -> Option<&str> {
    match &call.action {
        Action::CallOff { show } => Some(show),
        _ => None,
    }
}

const fn action(call: &Call) -> &'static str {
    match call.action {
        Action::Hold { .. } => "hold",
        Action::HoldBest { .. } => "hold_best",
        Action::Extend { .. } => "extend",
        Action::Release { .. } => "release",
        Action::Checkout { .. } => "checkout",
        Action::Pay { .. } => "pay",
        Action::Cancel { .. } => "cancel",
        Action::Read { .. } => "read",
        Action::Look { .. } => "look",
        Action::Reprice { .. } => "reprice",
        Action::CallOff { .. } => "call_off",
    }
}

const fn outcome(call: &Call) -> &'static str {
    match call.outcome {
        Outcome::Refused { .. } => "refused",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Paid { processing: true } => "done later",
        Outcome::Held { durable: true, .. } | Outcome::Map { degraded: true, .. } => "done degraded",
        _ => "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_that_is_called_off_counts_as_often_as_it_is_one() {
        let action = Action::CallOff { show: "show_1".to_owned() };
        let outcome = Outcome::Unknown { why: "lost".to_owned() };
        let call = Call { no: 0, actor: 0, user: String::new(), from: 0, to: 1, action, outcome };
        let again = Call { no: 1, outcome: Outcome::ShowChanged, ..call.clone() };
        let fault = Fault { kind: "kill".to_owned(), ..Fault::default() };
        let history = History { calls: vec![call, again], faults: vec![fault.clone(), fault] };
        assert_eq!(kinds(&history), ["cancel_show", "kill", "kill"]);
    }
}
