//! `marquee reconcile`: what our records and others' disagree about.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use booking::{
    app::{
        App,
        reconcile::{Repair, Report},
    },
    domain::finding::Finding,
};
use clap::Subcommand;
use kernel::FindingId;
use platform::{Shutdown, config};

use crate::{commands::say, config::Config, serve};

/// How long a pass waits for Redis and RabbitMQ before it goes without them.
const PATIENCE: Duration = Duration::from_secs(3);

/// Findings of the reconciliation.
#[derive(Debug, Subcommand)]
pub enum ReconcileCommand {
    /// Print the findings that wait to be repaired or for a person, the oldest first.
    List {
        /// Also those that are resolved, the latest first.
        #[arg(long)]
        all: bool,
    },
    /// Compare everything once now, and print what was found and repaired.
    Run,
    /// Say that a finding is dealt with.
    Resolve {
        /// Its id, as `list` prints it.
        id: FindingId,
        /// What was done.
        #[arg(long)]
        note: String,
        /// Who did it.
        #[arg(long, env = "USER")]
        by: String,
    },
}

/// Does it.
///
/// # Errors
/// What went wrong, in words for the person at the terminal.
pub async fn run(file: Option<&Path>, command: ReconcileCommand) -> Result<()> {
    let config: Config = config::load(file)?;
    let shutdown = Shutdown::new();
    let deps = serve::connect(&config, &shutdown).await?;
    platform::pg::ping(&deps.pg)
        .await
        .context("PostgreSQL does not answer; is pg.url (DATABASE_URL) right?")?;
    let app = App::new(config.booking, deps)?;
    let outcome = match command {
        ReconcileCommand::List { all } => list(&app, all).await,
        ReconcileCommand::Run => pass(&app).await,
        ReconcileCommand::Resolve { id, note, by } => resolve(&app, id, &note, &by).await,
    };
    shutdown.finish(Duration::ZERO).await;
    outcome
}

async fn list(app: &App, all: bool) -> Result<()> {
    let findings = app.findings(all).await?;
    if findings.is_empty() {
        say("no findings");
    }
    for finding in &findings {
        say(&text(finding));
    }
    Ok(())
}

/// A few lines, with an empty one after them.
fn text(finding: &Finding) -> String {
    let Finding { id, cause, subject, first_seen, last_seen, repaired_at, resolved, .. } = finding;
    let mut lines = vec![
        id.to_string(),
        format!("  cause     {}", cause.as_str()),
        format!("  subject   {subject}"),
        format!("  seen      {} to {}", first_seen.to_rfc3339(), last_seen.to_rfc3339()),
    ];
    lines.extend(repaired_at.map(|at| format!("  repaired  {}", at.to_rfc3339())));
    lines.extend(resolved.map(|(at, how)| format!("  resolved  {} ({})", at.to_rfc3339(), how.as_str())));
    lines.extend(finding.resolved_by.as_ref().map(|by| format!("  by        {by}")));
    lines.extend(finding.note.as_ref().map(|note| format!("  note      {note}")));
    lines.push(format!("  detail    {}", finding.detail));
    lines.push(String::new());
    lines.join("\n")
}

async fn pass(app: &Arc<App>) -> Result<()> {
    let connected = async {
        app.deps.rabbit.connected().await;
        while app.deps.redis.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // What is away is skipped, and said to be.
    let _ = tokio::time::timeout(PATIENCE, connected).await;
    let report = app.reconcile(&booking::queues()).await?;
    for line in lines(&report) {
        say(&line);
    }
    let skipped = report.skipped.len();
    ensure!(skipped == 0, "{skipped} comparisons were not made, or not to the end");
    Ok(())
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for found in &report.found {
        let news = if found.is_new { "new" } else { "old" };
        let what = match (found.repair, found.cause.is_repairable()) {
            (Some(Repair::Made), _) => "repair made",
            (Some(Repair::Void), _) => "nothing to repair it by",
            (Some(Repair::Failed), _) => "repair failed",
            (None, true) => "repair under way",
            (None, false) => "needs a person",
        };
        let cause = found.cause.as_str();
        lines.push(format!("{news}  {cause:<22} {}  {what}  {}", found.subject, found.id));
    }
    for (id, cause, resolution) in &report.resolved {
        lines.push(format!("end  {:<22} {}  {id}", cause.as_str(), resolution.as_str()));
    }
    for skipped in &report.skipped {
        let of = skipped.subject.as_ref().map(|subject| format!(" of {subject}")).unwrap_or_default();
        lines.push(format!("not compared: {}{of} ({})", skipped.comparison, skipped.why));
    }
    if let Some(oversold) = report.oversold.filter(|seats| *seats > 0) {
        lines.push(format!("seats sold to more than one: {oversold} (docs/runbooks/seats-oversold.md)"));
    }
    let repaired = report.found.iter().filter(|found| found.repair == Some(Repair::Made)).count();
    let (found, resolved) = (report.found.len(), report.resolved.len());
    lines.push(format!("{found} found, {repaired} of them repaired; {resolved} resolved"));
    lines
}

async fn resolve(app: &App, id: FindingId, note: &str, by: &str) -> Result<()> {
    let finding = app.finding_resolve(id, note, by).await?;
    say(&format!("{id} ({}, {}) is resolved", finding.cause.as_str(), finding.subject));
    Ok(())
}
