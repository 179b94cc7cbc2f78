//! A run: the stand, the scenarios one after the other, the report.

use std::{process, time::Duration};

use anyhow::{Context, Result, ensure};
use kernel::{Clock, SystemClock};
use tokio::time::{Instant, sleep, timeout};
use xtask::{console, interrupt::Interrupt, workspace};

use crate::{
    cli::Options,
    measure::{Others, Outcome},
    open_files,
    report::{self, BUSY, Machine, Played, Report},
    scenario::{Kind, Plan},
    stand::Stand,
};

/// How long it is looked, before anything is started, whether the machine is busy.
const LOOK: Duration = Duration::from_secs(2);

/// Runs what was asked for and writes the report, again after each scenario. One that fails takes nothing
/// from the others: the report has what it had found and why it failed, and the next one finds a platform
/// that was started anew.
///
/// # Errors
/// When the stand does not start, or a scenario failed: an answer was wrong, or it took too long. A goal
/// that is missed is no error: it is what the report is for.
pub async fn run(options: &Options, interrupt: &Interrupt) -> Result<()> {
    let begin = Instant::now();
    let root = workspace::root();
    let out = options.out.clone().unwrap_or_else(|| root.join(options.default_out()));
    let machine = Machine::here();
    let mut report =
        if options.add { Report::continued(&out, machine, options)? } else { Report::new(machine, options) };
    open_files::raise();
    look_around().await;

    console::heading("A stand of its own");
    let mut stand = Stand::start(&root, options.apart, interrupt).await?;
    let plan = Plan { quick: options.quick, pairs: options.pairs() };
    let mut failed = Vec::new();
    for kind in options.scenarios() {
        console::heading(kind.title());
        let played = play(&mut stand, kind, plan).await;
        tell(&played);
        let has_failed = played.failure.is_some();
        report.add(played);
        report.write(&out)?;
        if has_failed {
            failed.push(kind.name());
            stand.renew().await.context("the platform does not start again")?;
        }
    }
    console::heading(&format!("Report in {} ({})", out.display(), console::duration(begin.elapsed())));
    for line in report::table(report.outcomes()).lines() {
        console::line(line);
    }
    stand.stop().await?;
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Says so when the machine has other things to do.
async fn look_around() {
    let others = Others::watch(vec![process::id()]);
    sleep(LOOK).await;
    let cores = others.cores();
    if cores > BUSY {
        console::line(&format!(
            "this machine is busy (others use {} cores): ratios will be rough, and latencies wrong",
            report::number(cores)
        ));
    }
}

async fn play(stand: &mut Stand, kind: Kind, plan: Plan) -> Played {
    let (at, begin) = (SystemClock.now(), Instant::now());
    let others = Others::watch(stand.roots());
    let mut outcomes = Vec::new();
    let done = timed(stand, kind, plan, &mut outcomes).await;
    let failures = [done, stand.all_run()].map(|done| done.err().map(|error| format!("{error:#}")));
    let failure = failures.into_iter().flatten().reduce(|first, second| format!("{first}; {second}"));
    let (seconds, others_cores) = (begin.elapsed().as_secs_f64(), others.cores());
    Played { scenario: kind, at: at.to_rfc3339(), seconds, others_cores, failure, outcomes }
}

async fn timed(stand: &mut Stand, kind: Kind, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    stand.settle().await.context("something of before is still under way")?;
    let limit = kind.limit();
    let done = timeout(limit, kind.run(stand, plan, found)).await;
    done.with_context(|| format!("not done after {} s", limit.as_secs()))?
}

fn tell(played: &Played) {
    for line in played.outcomes.iter().flat_map(report::lines) {
        console::line(&line);
    }
    if played.was_disturbed() {
        console::line(&format!("others used {} cores meanwhile", report::number(played.others_cores)));
    }
    match &played.failure {
        Some(failure) => console::line(&format!("FAILED: {failure}")),
        None => console::done(played.scenario.name(), Duration::from_secs_f64(played.seconds)),
    }
}
