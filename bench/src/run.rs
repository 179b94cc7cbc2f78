//! A run: the stand, the scenarios one after the other, the report.

use anyhow::{Context, Result};
use tokio::time::Instant;
use xtask::{console, interrupt::Interrupt, workspace};

use crate::{
    cli::Options,
    measure::Outcome,
    report::{self, Machine, Report},
    scenario::{Kind, Plan},
    stand::Stand,
};

/// The load of a machine that has nothing else to do.
const CALM: f64 = 0.5;

/// Runs what was asked for and writes the report.
///
/// # Errors
/// When the stand does not start, or an answer was wrong. A goal that is missed is no error: it is
/// what the report is for.
pub async fn run(options: &Options, interrupt: &Interrupt) -> Result<()> {
    let begin = Instant::now();
    let root = workspace::root();
    let partial = options.quick || !options.only.is_empty();
    let default_out = if partial { "target/bench" } else { "bench" };
    let out = options.out.clone().unwrap_or_else(|| root.join(default_out));

    let machine = Machine::here();
    if machine.load_before > CALM {
        let load = machine.load_before;
        console::line(&format!(
            "this machine is busy (load {load}): ratios will be rough, and latencies wrong"
        ));
    }

    console::heading("A stand of its own");
    let mut stand = Stand::start(&root, options.apart, interrupt).await?;
    let plan = Plan { quick: options.quick, pairs: options.pairs() };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for kind in options.scenarios() {
        console::heading(kind.title());
        let began = Instant::now();
        stand.settle().await?;
        let run = kind.run(&mut stand, plan).await;
        let found = run.with_context(|| format!("the scenario `{kind}` failed"))?;
        for outcome in &found {
            for line in report::lines(outcome) {
                console::line(&line);
            }
        }
        console::done(&kind.to_string(), began.elapsed());
        outcomes.extend(found);
        // What is known by now outlives a scenario that fails.
        let report = Report::new(&outcomes, machine.clone(), options, begin.elapsed());
        report.write(&out)?;
    }
    stand.stop().await?;
    console::heading(&format!("Report in {} ({})", out.display(), console::duration(begin.elapsed())));
    for line in report::table(&outcomes).lines() {
        console::line(line);
    }
    Ok(())
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
