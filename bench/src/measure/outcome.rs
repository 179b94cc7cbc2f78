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
    pub facts: BTreeMap<String, f64>,
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

    /// Adds a single number.
    pub fn fact(&mut self, what: &str, value: f64) {
        self.facts.insert(what.to_owned(), value);
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
}
