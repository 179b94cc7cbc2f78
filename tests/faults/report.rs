//! What a run found out, for machines and for people.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::Serialize;
use xtask::console;

use crate::{
    history::{Action, Call, Fault, History, Outcome},
    round::{Played, Times},
    stand::Death,
};

/// Numbers by two names: how often each outcome of each action was seen.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The report of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The deliberate bug that was to be caught.
    mutant: Option<String>,
    /// Outcomes by action.
    operations: Counts,
    /// Faults by kind.
    faults: BTreeMap<String, u64>,
    /// Violations by rule.
    violations: BTreeMap<String, u64>,
    /// Milliseconds from the death of a process to the moment from which clients were answered,
    /// when nothing else was broken.
    restored_alone_ms: Spread,
    /// The same for all deaths.
    restored_ms: Spread,
    /// Milliseconds from the death of a process until it was ready again, when nothing else was
    /// broken.
    ready_alone_ms: Spread,
    /// Milliseconds from the death of a worker to the next confirmation of a booking, when nothing
    /// else was broken.
    confirmed_alone_ms: Spread,
    /// Milliseconds that rounds took to come to rest.
    settled_ms: Spread,
    /// Every round.
    rounds: Vec<Summary>,
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

/// Values in ascending order.
#[derive(Debug, Default)]
struct Spread(Vec<u64>);

impl Spread {
    fn add(&mut self, value: u64) {
        let place = self.0.partition_point(|other| *other <= value);
        self.0.insert(place, value);
    }

    /// The value that so many percent of all do not exceed.
    fn percentile(&self, percent: usize) -> Option<u64> {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied()
    }

    fn text(&self) -> String {
        let Some((p50, p95, max)) = self.main() else { return "not measured".to_owned() };
        format!("p50 {p50} ms, p95 {p95} ms, max {max} ms ({} measured)", self.0.len())
    }

    fn main(&self) -> Option<(u64, u64, u64)> {
        Some((self.percentile(50)?, self.percentile(95)?, *self.0.last()?))
    }
}

impl Serialize for Spread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form {
            measured: usize,
            p50: u64,
            p95: u64,
            max: u64,
        }
        let form = self.main().map(|(p50, p95, max)| Form { measured: self.0.len(), p50, p95, max });
        form.serialize(serializer)
    }
}

impl Report {
    /// An empty one.
    pub fn new(mutant: Option<String>) -> Self {
        Self { mutant, ..Self::default() }
    }

    /// How many rounds were played.
    pub const fn rounds(&self) -> u64 {
        self.rounds.len() as u64
    }

    /// Takes in a round.
    pub fn add(&mut self, played: Played) {
        let Played { seed, history, observed, deaths, violations, times } = played;
        for call in &history.calls {
            let outcomes = self.operations.entry(action(call).to_owned()).or_default();
            *outcomes.entry(outcome(call).to_owned()).or_default() += 1;
        }
        for fault in &history.faults {
            *self.faults.entry(fault.kind.clone()).or_default() += 1;
        }
        for violation in &violations {
            *self.violations.entry(violation.rule.to_string()).or_default() += 1;
        }
        for death in &deaths {
            let confirmed = observed.audit.iter().filter(|entry| entry.to == "CONFIRMED");
            let next = confirmed.map(|entry| entry.at - death.at).filter(|after| *after >= 0).min();
            self.add_death(death, next.and_then(|after| after.try_into().ok()), &history);
        }
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

    fn add_death(&mut self, death: &Death, confirmed_ms: Option<u64>, history: &History) {
        if let Some(restored) = death.restored_ms {
            self.restored_ms.add(restored);
        }
        let worker = death.process.starts_with("worker");
        let felt = [death.restored_ms, death.ready_ms, confirmed_ms.filter(|_| worker)];
        let felt = felt.into_iter().flatten().max().unwrap_or_default();
        if !is_alone(death, felt, &history.faults) {
            return;
        }
        self.restored_alone_ms.0.extend(death.restored_ms);
        self.ready_alone_ms.0.extend(death.ready_ms);
        self.confirmed_alone_ms.0.extend(confirmed_ms.filter(|_| worker));
        for spread in [&mut self.restored_alone_ms, &mut self.ready_alone_ms, &mut self.confirmed_alone_ms] {
            spread.0.sort_unstable();
        }
    }

    /// One line for a round that is about to be added.
    pub fn line(&self, played: &Played) -> String {
        let Played { seed, history, observed, violations, times, .. } = played;
        let mut kinds: Vec<&str> = history.faults.iter().map(|fault| fault.kind.as_str()).collect();
        kinds.sort_unstable();
        let verdict = match violations.len() {
            0 => "ok".to_owned(),
            count => format!("{count} VIOLATIONS"),
        };
        let settled = observed.settled_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
        let Times { start, faults, heal, settle, check } = times;
        format!(
            "{seed:>10}  {verdict}  {} operations, {}; settled {settled} (s: {}) ",
            history.calls.len(),
            kinds.join(" "),
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
        match (&self.mutant, self.rounds.iter().find(|round| !round.violations.is_empty())) {
            (Some(mutant), Some(round)) => {
                format!("The mutant {mutant} is caught by seed {} ({took})", round.seed)
            }
            (Some(mutant), None) => format!("The mutant {mutant} LIVES after {rounds} rounds ({took})"),
            (None, None) => format!("{rounds} rounds, no violations ({took})"),
            (None, Some(round)) => {
                format!(
                    "{rounds} rounds, {violations} VIOLATIONS, the first with seed {} ({took})",
                    round.seed
                )
            }
        }
    }

    /// Whether all was as it should be.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() == self.mutant.is_none()
    }

    /// The page that people read.
    pub fn page(&self) -> Vec<String> {
        let mut page = Vec::new();
        let total: u64 = self.operations.values().flat_map(BTreeMap::values).sum();
        page.push(format!("operations    {total}"));
        for (action, outcomes) in &self.operations {
            page.push(format!("  {action:<12}{}", counts(outcomes)));
        }
        page.push(format!("faults        {}: {}", self.faults.values().sum::<u64>(), counts(&self.faults)));
        let spreads = [
            ("after a killed process, nothing else broken", None),
            ("  clients are answered", Some(&self.restored_alone_ms)),
            ("  the process is ready", Some(&self.ready_alone_ms)),
            ("  the next booking is confirmed (workers)", Some(&self.confirmed_alone_ms)),
            ("clients are answered, whatever else is broken", Some(&self.restored_ms)),
            ("the platform is at rest after the faults", Some(&self.settled_ms)),
        ];
        page.extend(spreads.map(|(name, spread)| match spread {
            Some(spread) => format!("{name:<46}{}", spread.text()),
            None => name.to_owned(),
        }));
        if !self.violations.is_empty() {
            page.push(format!("violations    {}", counts(&self.violations)));
        }
        page
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

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let texts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    texts.join(", ")
}

/// Whether nothing but this death was felt until it was felt no more.
fn is_alone(death: &Death, felt_ms: u64, faults: &[Fault]) -> bool {
    // What was broken just before may still be felt.
    const MARGIN_MS: i64 = 2_000;
    let end = death.at.saturating_add_unsigned(felt_ms);
    faults.iter().all(|fault| {
        fault.target.starts_with(&death.process) || fault.to + MARGIN_MS < death.at || fault.from > end
    })
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
    }
}

const fn outcome(call: &Call) -> &'static str {
    match call.outcome {
        Outcome::Refused { .. } => "refused",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Held { durable: true, .. } | Outcome::Map { degraded: true, .. } => "done degraded",
        _ => "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(50), None);
        for value in (1..=20).rev() {
            spread.add(value);
        }
        assert_eq!(spread.main(), Some((10, 19, 20)));
    }

    fn death(process: &str, at: i64) -> Death {
        Death {
            process: process.to_owned(),
            at,
            status: String::new(),
            wanted_by: None,
            ready_ms: None,
            restored_ms: Some(500),
        }
    }

    #[test]
    fn a_death_is_alone_when_nothing_else_was_broken() {
        let fault = |target: &str, from, to| Fault {
            kind: "kill".to_owned(),
            target: target.to_owned(),
            from,
            to,
            lost_redis: false,
        };
        let check = |fault: Fault, alone: bool| {
            assert_eq!(is_alone(&death("worker-1", 10_000), 500, &[fault]), alone);
        };
        check(fault("worker-1", 10_000, 10_600), true);
        check(fault("worker-2", 10_400, 10_600), false);
        check(fault("redis", 9_000, 9_500), false);
        check(fault("redis", 1_000, 7_000), true);
        check(fault("redis", 11_000, 12_000), true);
    }
}
