//! One round: a platform, its customers, and what is done to it.

use std::{collections::BTreeMap, fs, future::pending, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use client::Client;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{self, ACTORS, Manager, Recorder, WATCHERS},
    checker::{self, Rule, Violation},
    history::History,
    mutants::Mutant,
    nemesis::{self, Claims, Kind, Plan},
    observe,
    observed::Observed,
    stand::{self, Bench, CLAIM_TTL_SECONDS, Cleanup, Death, Stand, Template},
};

/// What the platform may take after the last fault until every process is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// And then until nothing is under way any more.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// Customers come for so many times the length of a round at most: while a server takes long to come back, what
/// waits for it would grow, and with it the time until everything has come to rest.
const LONGEST: u32 = 3;

/// What the rounds of a run have in common.
#[derive(Debug)]
pub struct Rounds {
    /// The servers and programs.
    pub bench: Arc<Bench>,
    /// What each round begins with.
    pub template: Template,
    /// How long faults are made.
    pub length: Duration,
    /// Only these kinds of faults.
    pub only: Vec<Kind>,
    /// The deliberate bug.
    pub mutant: Option<&'static Mutant>,
}

/// How long the parts of a round took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    /// Until the platform was ready and everybody signed up.
    pub start: u64,
    /// While faults were made.
    pub faults: u64,
    /// Until every process was ready again.
    pub heal: u64,
    /// Until nothing was under way any more, and all was read.
    pub settle: u64,
    /// Until the checker had decided.
    pub check: u64,
}

/// A round that was played.
#[derive(Debug)]
pub struct Played {
    /// Everything follows from it.
    pub seed: u64,
    /// What clients saw, and what was done to the platform.
    pub history: History,
    /// What was left.
    pub observed: Observed,
    /// Deaths of processes.
    pub deaths: Vec<Death>,
    /// How often which failpoint tripped.
    pub tripped: BTreeMap<String, u64>,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// How long it took.
    pub times: Times,
}

impl Rounds {
    /// The name of a round's database, queues and folder.
    pub fn label(seed: u64) -> String {
        format!("round_{seed}")
    }

    /// Plays the round of this seed; `last` is what is left to be removed of the one before.
    ///
    /// # Errors
    /// When the harness itself does not work.
    pub async fn play(&self, seed: u64, last: Option<Cleanup>) -> Result<(Played, Cleanup)> {
        let begin = Instant::now();
        let plan = Plan::new(seed, self.length, &self.only);
        let label = Self::label(seed);
        self.template.copy(&self.bench, &label).await?;
        let round = stand::Round {
            label: label.clone(),
            database: label,
            mutant: self.mutant.map(|mutant| mutant.name),
            claim_limit_seconds: claim_limit_seconds(plan.claims),
        };
        let stand = Arc::new(Stand::start(&self.bench, &round).await?);
        if let Some(last) = last {
            last.finish().await?;
        }
        let target = stand.target(&self.template);
        let visitor = Client::new(stand.graphql())?;
        stand.watch_with(&self.template.probe(&visitor).await?);
        let cast = actors::sign_up(&target, ACTORS).await?;
        let watchers = actors::watch(&target, WATCHERS)?;
        let mut times = Times { start: millis(begin), ..Times::default() };

        let begin = Instant::now();
        let recorder = Arc::new(Recorder::default());
        let stop = CancellationToken::new();
        let manager = Manager::new(&target, &cast, &recorder);
        let acting = {
            let calling_off = plan.calling_off;
            let (target, stop, recorder) = (target.clone(), stop.clone(), Arc::clone(&recorder));
            tokio::spawn(async move { actors::run(&target, &cast, seed, calling_off, stop, recorder).await })
        };
        let enough = async {
            sleep(LONGEST * self.length).await;
            stop.cancel();
            pending::<()>().await;
        };
        tokio::select! {
            (broken, ()) = async { tokio::join!(nemesis::run(&stand, &plan, &recorder), sleep(self.length)) } => broken?,
            () = enough => {}
        }
        times.faults = millis(begin);

        let begin = Instant::now();
        stop.cancel();
        let healed = nemesis::heal(&stand, READY_WITHIN).await;
        acting.await??;
        times.heal = millis(begin);

        let begin = Instant::now();
        let observed = observe::settle_and_observe(&target, watchers, &manager, SETTLE_WITHIN).await?;
        times.settle = millis(begin);

        let begin = Instant::now();
        let deaths: Vec<Death> = stand.nodes().iter().flat_map(|node| node.deaths()).collect();
        let history = recorder.finish();
        let mut violations = healed.err().map(|error| stuck(&error)).into_iter().collect::<Vec<_>>();
        violations.extend(checker::deaths::check(&history, &observed.audit, &deaths));
        violations.extend(checker::check(&history, &observed));
        let tripped = tripped(&stand).await;
        times.check = millis(begin);

        let stand = Arc::into_inner(stand).ok_or_else(|| anyhow!("somebody still uses the stand"))?;
        let cleanup = stand.stop(false).await?;
        Ok((Played { seed, history, observed, deaths, tripped, violations, times }, cleanup))
    }
}

/// `booking.claim_limit_seconds`
const fn claim_limit_seconds(claims: Claims) -> u32 {
    match claims {
        Claims::Wait => 3_600,
        // Less than one extension.
        Claims::Yield => CLAIM_TTL_SECONDS + 1,
        Claims::End => CLAIM_TTL_SECONDS,
    }
}

fn millis(begin: Instant) -> u64 {
    begin.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

fn stuck(error: &anyhow::Error) -> Violation {
    let what = format!("the platform does not recover: {error:#}");
    Violation { rule: Rule::Settled, what, seats: Vec::new(), ids: Vec::new(), at: None }
}

/// How often which failpoint tripped in any process.
async fn tripped(stand: &Stand) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for node in stand.nodes() {
        for (step, count) in nemesis::tripped(node.log()).await {
            *counts.entry(step).or_default() += count;
        }
    }
    counts
}

impl Played {
    /// Writes what was seen into the round's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let reports = self.violations.iter().map(|violation| checker::report(&self.history, violation));
        let reports: Vec<_> = reports.collect();
        let files = [
            ("history.json", serde_json::to_vec_pretty(&self.history)?),
            ("observed.json", serde_json::to_vec_pretty(&self.observed)?),
            ("deaths.json", serde_json::to_vec_pretty(&self.deaths)?),
            ("violations.json", serde_json::to_vec_pretty(&self.violations)?),
            ("violations.txt", reports.join("\n\n").into_bytes()),
        ];
        for (name, text) in files {
            fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }
}
