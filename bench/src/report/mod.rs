//! What a run leaves behind: `report.json`, `report.md` and charts.

mod chart;
mod markdown;
mod scale;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use kernel::{Clock, SystemClock};
use serde::Serialize;

use crate::{cli::Options, measure::Outcome};

pub use markdown::{lines, table};

/// Where a run happened.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub processor: String,
    /// How many cores may be used.
    pub cores: usize,
    /// Of memory.
    pub memory_mib: u64,
    /// Processes that wanted to run in the minute before, on average: none, if it is to be compared.
    pub load_before: f64,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let load = read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok());
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|memory| memory.split(' ').next()?.parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or(0) / 1024,
            load_before: load.unwrap_or(0.0),
        }
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Report<'o> {
    /// When it was written, UTC.
    at: String,
    machine: Machine,
    /// Small numbers: not for comparing.
    quick: bool,
    /// A process for each role.
    apart: bool,
    /// Seconds so far.
    took: f64,
    outcomes: &'o [Outcome],
}

impl<'o> Report<'o> {
    /// The run so far.
    pub fn new(outcomes: &'o [Outcome], machine: Machine, options: &Options, took: Duration) -> Self {
        let Options { quick, apart, .. } = *options;
        let (at, took) = (SystemClock.now().to_rfc3339(), took.as_secs_f64());
        Self { at, machine, quick, apart, took, outcomes }
    }

    /// Writes everything into `dir`.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let write = |name: &str, text: &str| {
            let file = dir.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write("report.json", &(serde_json::to_string_pretty(self)? + "\n"))?;
        write("report.md", &markdown::page(self))?;
        write("ratios.svg", &chart::ratios(self.outcomes))?;
        for (name, chart) in self.outcomes.iter().flat_map(chart::curves) {
            write(&name, &chart)?;
        }
        Ok(())
    }
}
