//! A run: rounds, one after the other, and the report.

use std::{env, fs, path::PathBuf, process, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use kernel::{IdSource, SystemIds};
use tokio::{task::block_in_place, time::Instant};
use xtask::{console, interrupt::Interrupt, workspace};

use crate::{
    checker,
    cli::Options,
    report::Report,
    round::{Played, Rounds},
    stand::{Bench, Servers, Template},
};

const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// Plays the rounds; whether they went as they should: without violations, or, with a mutant, until
/// it was caught.
///
/// # Errors
/// When the harness itself does not work.
pub async fn run(options: &Options, interrupt: &Interrupt) -> Result<bool> {
    let begin = Instant::now();
    let root = workspace::root();
    let dir = options.report.clone().unwrap_or_else(|| root.join("target/faults"));
    let rounds_dir = dir.join("rounds");
    if rounds_dir.exists() {
        fs::remove_dir_all(&rounds_dir)?;
    }
    fs::create_dir_all(&rounds_dir)?;

    console::heading("Servers");
    let home = workspace::state_dir().join(format!("test-{}", process::id()));
    let servers = block_in_place(|| Servers::start(&home, interrupt))?;
    let bench = Arc::new(Bench {
        servers,
        marquee: program("MARQUEE_BIN")?,
        paysim: program("PAYSIM_BIN")?,
        root,
        dir: rounds_dir.clone(),
        http: reqwest::Client::builder().timeout(REQUEST_WITHIN).build()?,
    });
    let template = Template::make(&bench).await?;
    console::line(&format!("each round begins with {} small shows", template.shows.len()));
    let rounds = Rounds {
        bench,
        template,
        length: Duration::from_secs(options.round_seconds),
        only: options.only.clone(),
        mutant: options.mutant.clone(),
    };

    let first = options.seed.unwrap_or_else(|| SystemIds.local() % 1_000_000_000);
    console::heading(&title(options, first));
    let mut report = Report::new(options.mutant.clone());
    let mut last = None;
    let playing = Instant::now();
    while options.is_due(report.rounds(), playing.elapsed().as_secs() / 60) {
        let seed = first.wrapping_add(report.rounds());
        let (played, cleanup) = rounds.play(seed, last.take()).await?;
        last = Some(cleanup);
        let files = rounds_dir.join(Rounds::label(seed));
        let failed = !played.violations.is_empty();
        if failed || options.keep {
            played.save(&files)?;
        } else {
            fs::remove_dir_all(&files)?;
        }
        console::line(&report.line(&played));
        if failed {
            tell(&played, &files.display().to_string());
        }
        report.add(played);
        if failed && (options.mutant.is_some() || !options.keep) {
            break;
        }
    }
    if let Some(last) = last {
        last.finish().await?;
    }
    report.save(&dir.join("faults.json"))?;
    console::heading(&report.verdict(begin.elapsed()));
    report.page().iter().for_each(|line| console::line(line));
    console::line(&format!("report        {}", dir.join("faults.json").display()));
    Ok(report.is_good())
}

fn program(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from);
    let path = path.with_context(|| format!("{variable} is not set: run this with `cargo xtask faults`"))?;
    ensure!(path.is_file(), "{variable}: there is no program {}", path.display());
    Ok(path)
}

fn title(options: &Options, first: u64) -> String {
    let mutant = options.mutant.as_ref().map(|name| format!(", with the mutant {name}")).unwrap_or_default();
    format!("Rounds of {} s from seed {first}{mutant}", options.round_seconds)
}

/// What a person needs to know of a round that failed.
fn tell(played: &Played, files: &str) {
    /// The first ones tell most, and all are in the files.
    const TOLD: usize = 3;
    for violation in played.violations.iter().take(TOLD) {
        console::line(&format!("VIOLATION {}", checker::report(&played.history, violation)));
    }
    if let Some(more) = played.violations.len().checked_sub(TOLD).filter(|more| *more > 0) {
        console::line(&format!("... and {more} more"));
    }
    console::line(&format!("files         {files}"));
    console::line(&format!("again         cargo xtask faults --seed {} --rounds 1", played.seed));
}
