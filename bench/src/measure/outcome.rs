//! What a scenario found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Latency, Spread};
use crate::load::Done;

/// One measurement of one side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// What was done, in operations of the scenario.
    pub operations: u64,
    /// How long it took.
    pub seconds: f64,
    /// CPU seconds by process.
    pub cpu: BTreeMap<String, f64>,
    /// From an open loop, if the scenario claims latencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

impl Sample {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        Done { operations: self.operations, seconds: self.seconds }.rate()
    }

    /// One of these operations, and then one of the others, as one: as if as many of `next` had been done
    /// right after ours.
    pub fn and_then(mut self, next: &Self) -> Self {
        let scale = self.operations as f64 / (next.operations as f64).max(f64::EPSILON);
        self.seconds += scale * next.seconds;
        for (name, seconds) in &next.cpu {
            *self.cpu.entry(name.clone()).or_default() += scale * seconds;
        }
        self
    }

    /// Operations per CPU second of these processes together, each counted once.
    pub fn per_cpu_second(&self, processes: &[&str]) -> f64 {
        let named = self.cpu.iter().filter(|(name, _)| processes.contains(&name.as_str()));
        let used: f64 = named.map(|(_, seconds)| seconds).sum();
        self.operations as f64 / used.max(f64::EPSILON)
    }
}

/// Both sides, one right after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pair {
    /// What lies under us, alone.
    pub raw: Sample,
    /// The platform.
    pub ours: Sample,
    /// What is compared, in the scenario's unit.
    pub raw_figure: f64,
    /// The same of the platform.
    pub our_figure: f64,
}

impl Pair {
    /// Compares operations per second.
    pub fn of_rates(raw: Sample, ours: Sample) -> Self {
        let (raw_figure, our_figure) = (raw.rate(), ours.rate());
        Self { raw, ours, raw_figure, our_figure }
    }

    /// How much of the raw figure is ours.
    pub fn ratio(&self) -> f64 {
        self.our_figure / self.raw_figure.max(f64::EPSILON)
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// A ratio of at least this.
    Ratio(f64),
    /// A 99th percentile of our side of at most this many milliseconds.
    P99Ms(f64),
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How much there is.
    pub x: f64,
    /// What it costs.
    pub y: f64,
}

/// A single number, which may be found several times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// As it was found.
    pub values: Vec<f64>,
    /// What it should not exceed, if there is such a limit.
    pub most: Option<f64>,
}

impl Fact {
    /// The median.
    pub fn value(&self) -> f64 {
        super::median(&self.values)
    }

    /// Whether it is within its limit; `None` without one.
    pub fn is_within(&self) -> Option<bool> {
        Some(self.value() <= self.most?)
    }
}

/// How a cost grows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// What the curve is of.
    pub name: String,
    /// What grows.
    pub x: String,
    /// The cost and its unit.
    pub y: String,
    /// Ascending.
    pub points: Vec<Point>,
}

/// What a scenario found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Short, unique.
    pub name: String,
    /// What one operation is, or what the figures count.
    pub unit: String,
    /// What is to be reached, if there is a goal.
    pub goal: Option<Goal>,
    /// The measurements, in their order.
    pub pairs: Vec<Pair>,
    /// Measurements without a raw side.
    pub alone: Vec<Sample>,
    /// Single numbers, by what they are.
    pub facts: BTreeMap<String, Fact>,
    /// How costs grow.
    pub curves: Vec<Curve>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Outcome {
    /// An empty one.
    pub fn new(name: &str, unit: &str, goal: Option<Goal>) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            goal,
            pairs: Vec::new(),
            alone: Vec::new(),
            facts: BTreeMap::new(),
            curves: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a single number. Of one that is added again, the median is told.
    pub fn fact(&mut self, what: &str, value: f64) {
        self.facts.entry(what.to_owned()).or_default().values.push(value);
    }

    /// Adds a single number that should be at most `most`.
    pub fn limited(&mut self, what: &str, value: f64, most: f64) {
        self.fact(what, value);
        self.facts.entry(what.to_owned()).or_default().most = Some(most);
    }

    /// Adds a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The ratios of all pairs.
    pub fn ratio(&self) -> Option<Spread> {
        let ratios: Vec<f64> = self.pairs.iter().map(Pair::ratio).collect();
        (!ratios.is_empty()).then(|| Spread::of(&ratios))
    }

    /// Our measurements: of the pairs, and those without a raw side.
    pub fn ours(&self) -> impl Iterator<Item = &Sample> {
        self.pairs.iter().map(|pair| &pair.ours).chain(&self.alone)
    }

    /// The measurements of the raw side.
    pub fn raw(&self) -> impl Iterator<Item = &Sample> {
        self.pairs.iter().map(|pair| &pair.raw)
    }

    /// Whether the goal is reached; `None` without a goal or without measurements.
    pub fn reached(&self) -> Option<bool> {
        match self.goal? {
            Goal::Ratio(least) => Some(self.ratio()?.median >= least),
            Goal::P99Ms(most) => {
                let p99: Vec<f64> = self.ours().filter_map(|sample| Some(sample.latency?.p99_ms)).collect();
                (!p99.is_empty()).then(|| super::median(&p99) <= most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(operations: u64) -> Sample {
        let cpu = BTreeMap::from([("gateway".to_owned(), 0.5), ("booking".to_owned(), 0.25)]);
        Sample { operations, seconds: 2.0, cpu, latency: None }
    }

    #[test]
    fn the_median_ratio_decides() {
        let mut outcome = Outcome::new("x", "operations/s", Some(Goal::Ratio(0.5)));
        assert_eq!(outcome.reached(), None);
        for ours in [10, 60, 55] {
            outcome.pairs.push(Pair::of_rates(sample(100), sample(ours)));
        }
        assert_eq!(outcome.ratio().unwrap(), Spread { least: 0.1, median: 0.55, most: 0.6 });
        assert_eq!(outcome.reached(), Some(true));
    }

    #[test]
    fn work_per_cpu_second_counts_the_named_processes() {
        assert_eq!(sample(150).per_cpu_second(&["gateway", "booking", "redis"]), 200.0);
    }
    #[test]
    fn two_operations_in_turn_take_the_sum_of_their_times() {
        let both = sample(100).and_then(&sample(50));
        assert_eq!((both.operations, both.seconds, both.cpu["gateway"]), (100, 6.0, 1.5));
        assert!((1.0 / both.rate() - (1.0 / 50.0 + 1.0 / 25.0)).abs() < 1e-9);
    }

    #[test]
    fn a_fact_is_its_median_and_may_have_a_limit() {
        let mut outcome = Outcome::new("x", "", None);
        [3.0, 9.0, 4.0].into_iter().for_each(|value| outcome.fact("found", value));
        outcome.limited("limited", 5.0, 4.0);
        assert_eq!((outcome.facts["found"].value(), outcome.facts["found"].is_within()), (4.0, None));
        assert_eq!(outcome.facts["limited"].is_within(), Some(false));
    }
}
