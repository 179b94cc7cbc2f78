//! What a run leaves behind: `report.json`, `report.md` and charts.

mod chart;
mod machine;
mod markdown;
mod played;
mod scale;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use kernel::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::{cli::Options, measure::Outcome};

pub use machine::Machine;
pub use markdown::{lines, number, table};
pub use played::{BUSY, Played};

/// The whole of it, for programs.
const JSON: &str = "report.json";

/// What is known of this machine: of one run, or of several that each played a part.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// When it was written, UTC.
    at: String,
    machine: Machine,
    /// Small numbers: not for comparing.
    quick: bool,
    /// A process for each role.
    apart: bool,
    /// In the order in which a whole run plays them.
    played: Vec<Played>,
}

impl Report {
    /// One in which nothing was played yet.
    pub fn new(machine: Machine, options: &Options) -> Self {
        let Options { quick, apart, .. } = *options;
        Self { at: String::new(), machine, quick, apart, played: Vec::new() }
    }

    /// The one in `dir`, or a new one when there is none.
    ///
    /// # Errors
    /// When that one is of another machine, or of a run of another kind.
    pub fn continued(dir: &Path, machine: Machine, options: &Options) -> Result<Self> {
        let (file, new) = (dir.join(JSON), Self::new(machine, options));
        if !file.exists() {
            return Ok(new);
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let known: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is of another version: remove it", file.display()))?;
        let (is, was) = ((&new.machine, new.quick, new.apart), (&known.machine, known.quick, known.apart));
        ensure!(is == was, "{} is of another machine, or of another kind of run: remove it", file.display());
        Ok(known)
    }

    /// Adds a scenario; what was known of it before is forgotten.
    pub fn add(&mut self, played: Played) {
        self.played.retain(|known| known.scenario != played.scenario);
        self.played.push(played);
        self.played.sort_by_key(|played| played.scenario.turn());
    }

    /// What all scenarios found.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> + Clone {
        self.played.iter().flat_map(|played| &played.outcomes)
    }

    /// Writes everything into `dir`.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn write(&mut self, dir: &Path) -> Result<()> {
        self.at = SystemClock.now().to_rfc3339();
        fs::create_dir_all(dir)?;
        let write = |name: &str, text: &str| {
            let file = dir.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write(JSON, &(serde_json::to_string_pretty(self)? + "\n"))?;
        write("report.md", &markdown::page(self))?;
        write("ratios.svg", &chart::ratios(self.outcomes()))?;
        for (name, chart) in self.outcomes().flat_map(chart::curves) {
            write(&name, &chart)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{cli::Cli, measure::Latency, measure::Sample, scenario::Kind};

    fn options(line: &str) -> Options {
        Cli::parse_from(line.split_whitespace()).options
    }

    fn machine(cores: usize) -> Machine {
        Machine { processor: "one of many".to_owned(), cores, memory_mib: 1_024 }
    }

    fn played(scenario: Kind, operations: u64, failure: Option<&str>) -> Played {
        let latency = Latency { p50_ms: 0.1, p99_ms: 0.25, p999_ms: 1.0 / 3.0, most_ms: 2.0, count: 9 };
        let mut outcome = Outcome::new(scenario.name(), "things/s", None);
        let cpu = [("gateway".to_owned(), 0.1)].into();
        outcome.alone.push(Sample { operations, seconds: 1.0, cpu, latency: Some(latency) });
        let (at, failure) = (SystemClock.now().to_rfc3339(), failure.map(str::to_owned));
        Played { scenario, at, seconds: 1.0, others_cores: 0.3, failure, outcomes: vec![outcome] }
    }

    fn operations(report: &Report) -> Vec<u64> {
        report.outcomes().flat_map(|outcome| &outcome.alone).map(|sample| sample.operations).collect()
    }

    #[test]
    fn what_fails_takes_nothing_from_others() {
        let mut report = Report::new(machine(2), &options("bench"));
        report.add(played(Kind::Hold, 1, None));
        report.add(played(Kind::Browse, 2, Some("page 7: a wrong answer")));
        report.add(played(Kind::Outbox, 3, None));
        assert_eq!(operations(&report), [1, 2, 3]);
        let page = markdown::page(&report);
        let told = [
            "**Failed:** `browse` (page 7: a wrong answer)",
            "**The machine was busy with other things** during `hold` (0.3 cores), `browse`",
            "| hold | things/s |",
            "| outbox | things/s |",
        ];
        assert!(told.iter().all(|part| page.contains(part)), "{page}");
    }

    #[test]
    fn parts_of_a_run_become_one_report() {
        let dir = std::env::temp_dir().join(format!("bench-report-{}", std::process::id()));
        let mut first = Report::continued(&dir, machine(2), &options("bench --add")).unwrap();
        first.add(played(Kind::Outbox, 3, None));
        first.add(played(Kind::Growth, 7, Some("no time")));
        first.write(&dir).unwrap();

        let mut second = Report::continued(&dir, machine(2), &options("bench --add --only hold")).unwrap();
        second.add(played(Kind::Hold, 1, None));
        second.add(played(Kind::Growth, 4, None));
        second.write(&dir).unwrap();

        let whole = Report::continued(&dir, machine(2), &options("bench --add")).unwrap();
        assert_eq!(operations(&whole), [1, 3, 4]);
        assert!(whole.played.iter().all(|played| played.failure.is_none()));
        let latency = whole.outcomes().next().and_then(|outcome| outcome.alone[0].latency);
        assert_eq!(latency.map(|latency| latency.p999_ms), Some(1.0 / 3.0));

        for (cores, line) in [(4, "bench --add"), (2, "bench --add --apart"), (2, "bench --add --quick")] {
            assert!(Report::continued(&dir, machine(cores), &options(line)).is_err(), "{line}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
