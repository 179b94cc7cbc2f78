//! What is watched, against what is told: the rules and dashboards in `deploy/`.
//!
//! Prometheus's own tool checks the rules and runs their tests; Docker, where there is one, reads
//! `compose.yaml`. What neither knows is looked for here: whether anybody tells the metrics that are
//! read, whether each alert has a runbook and tests, and each runbook an alert.

mod files;
mod promql;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    console,
    interrupt::Interrupt,
    process::{capture, run as run_seen},
    services::{Install, promtool},
};
use files::{Files, RULE_TESTS, files};

const PROMETHEUS: &str = "deploy/prometheus/prometheus.yml";
const RUNBOOKS: &str = "docs/runbooks";
/// Where the code is that tells metrics.
const SOURCES: [&str; 4] = ["crates", "gateway", "notifications", "subgraphs"];
/// Told by others than our code: Prometheus itself, and the router within the gateway.
const FOREIGN: [&str; 5] = ["ALERTS", "hive_router_", "http_client_", "http_server_", "up"];
/// Added to the name of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];
/// An alert has a case in which it fires, and one in which it does not.
const CASES: usize = 2;

/// Checks all of it.
///
/// # Errors
/// What is wrong.
pub fn run(root: &Path, interrupt: &Interrupt) -> Result<()> {
    let wrong = check(root)?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    console::line("metrics, alerts and runbooks fit together");
    let promtool = promtool(Install::WhenPermitted, interrupt, &console::line)?;
    let tool = |arguments: &[&str]| {
        let mut command = Command::new(&promtool);
        command.current_dir(root).args(arguments);
        command
    };
    run_seen(&mut tool(&["check", "config", PROMETHEUS]), interrupt)?;
    let tests = files(&root.join(RULE_TESTS), "yml")?;
    run_seen(tool(&["test", "rules"]).args(tests), interrupt)?;
    compose(root, interrupt)
}

/// Whether Docker understands `compose.yaml`, where there is a Docker to ask.
fn compose(root: &Path, interrupt: &Interrupt) -> Result<()> {
    let compose = |arguments: &[&str]| {
        let mut command = Command::new("docker");
        command.current_dir(root).arg("compose").args(arguments);
        command
    };
    if capture(&mut compose(&["version"])).is_err() {
        console::line("compose.yaml is not checked: there is no `docker compose` here");
        return Ok(());
    }
    let profiles = ["--profile", "platform", "--profile", "observability"];
    run_seen(compose(&profiles).args(["config", "--quiet"]), interrupt)
}

/// The metrics of our own that rules and dashboards read, as the code names them, and who reads
/// them.
///
/// # Errors
/// When the files cannot be read.
pub fn reads(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let files = Files::read(root)?;
    let recorded = files.recorded();
    let mut reads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (metric, readers) in files.reads() {
        if !recorded.contains(metric.as_str()) && !is_foreign(&metric) {
            reads.entry(base(&metric).to_owned()).or_default().extend(readers);
        }
    }
    Ok(reads)
}

/// The name without what a histogram adds to it.
pub fn base(metric: &str) -> &str {
    OF_HISTOGRAMS.iter().find_map(|suffix| metric.strip_suffix(suffix)).unwrap_or(metric)
}

fn is_foreign(metric: &str) -> bool {
    FOREIGN.iter().any(|name| if name.ends_with('_') { metric.starts_with(name) } else { metric == *name })
}

/// What does not fit together, a line each.
fn check(root: &Path) -> Result<Vec<String>> {
    let files = Files::read(root)?;
    let mut wrong = Vec::new();

    let sources = sources(root)?;
    for (metric, readers) in reads(root)? {
        if !sources.contains(&format!("\"{metric}\"")) {
            let readers = readers.into_iter().collect::<Vec<_>>().join(", ");
            wrong.push(format!("no code tells the metric {metric}, which is read by {readers}"));
        }
    }

    let mut runbooks: BTreeSet<String> = files::files(&root.join(RUNBOOKS), "md")?
        .iter()
        .filter_map(|path| Some(format!("{RUNBOOKS}/{}", path.file_name()?.to_str()?)))
        .filter(|path| !path.ends_with("/README.md"))
        .collect();
    let known = runbooks.clone();
    for rule in &files.rules {
        let Some(alert) = &rule.alert else { continue };
        match rule.annotations.get("runbook_url") {
            Some(runbook) if known.contains(runbook) => drop(runbooks.remove(runbook)),
            Some(runbook) => wrong.push(format!("the alert {alert} has no runbook: there is no {runbook}")),
            None => wrong.push(format!("the alert {alert} names no runbook")),
        }
        let cases = files.tested.iter().filter(|tested| *tested == alert).count();
        if cases < CASES {
            wrong.push(format!(
                "the alert {alert} has {cases} tests; it needs {CASES}: it fires, it does not"
            ));
        }
    }
    wrong.extend(runbooks.iter().map(|runbook| format!("no alert leads to {runbook}")));
    Ok(wrong)
}

/// All code that may tell metrics.
fn sources(root: &Path) -> Result<String> {
    let mut text = String::new();
    let mut folders: Vec<_> = SOURCES.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path)?);
            }
        }
    }
    Ok(text)
}
