//! A run: rounds, one after the other, and the report.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kernel::{IdSource, SystemIds};
use tokio::{task::block_in_place, time::Instant};
use xtask::{console, interrupt::Interrupt, workspace};

use crate::{
    checker,
    cli::Options,
    mutants::{self, Mutant},
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
        dir: rounds_dir,
        http: reqwest::Client::builder().timeout(REQUEST_WITHIN).build()?,
    });
    let template = Template::make(&bench).await?;
    console::line(&format!("each round begins with {} small shows", template.shows.len()));
    let mut rounds = Rounds {
        bench,
        template,
        length: Duration::from_secs(options.round_seconds),
        only: options.only.clone(),
        mutant: None,
    };
    if options.mutant.as_deref() == Some(mutants::EVERY) {
        return replay(&mut rounds, options, &dir, begin).await;
    }

    rounds.mutant = options.mutant.as_deref().and_then(mutants::find);
    let first = options.seed.unwrap_or_else(|| SystemIds.local() % 1_000_000_000);
    console::heading(&title(&rounds, first));
    let playing = Instant::now();
    let file = dir.join("faults.json");
    let report = series(&rounds, first, options.keep, &file, |played| {
        options.is_due(played, playing.elapsed().as_secs() / 60)
    });
    let report = report.await?;
    console::heading(&report.verdict(begin.elapsed()));
    report.page().iter().for_each(|line| console::line(line));
    console::line(&format!("report        {}", file.display()));
    Ok(report.is_good())
}

/// Plays one round after the other as long as more are due. `keep`: also after a violation, and with the
/// files of all of them. A mutant is left alone when it is caught, and not before. The report is in `file` after each
/// round.
async fn series(
    rounds: &Rounds,
    first: u64,
    keep: bool,
    file: &Path,
    is_due: impl Fn(u64) -> bool,
) -> Result<Report> {
    let mut report = Report::new(rounds.mutant);
    let mut last = None;
    while is_due(report.rounds()) {
        let seed = first.wrapping_add(report.rounds());
        let (played, cleanup) = rounds.play(seed, last.take()).await?;
        last = Some(cleanup);
        let files = rounds.bench.dir.join(Rounds::label(seed));
        let failed = !played.violations.is_empty();
        if failed || keep {
            played.save(&files)?;
        } else {
            fs::remove_dir_all(&files)?;
        }
        console::line(&report.line(&played));
        if failed {
            tell(&played, rounds.mutant, &files.display().to_string());
        }
        report.add(played);
        report.save(file)?;
        let enough = match rounds.mutant {
            Some(_) => report.caught().is_some(),
            None => failed && !keep,
        };
        if enough {
            break;
        }
    }
    if let Some(last) = last {
        last.finish().await?;
    }
    Ok(report)
}

/// Plays each mutant with what is known to catch it; whether all were caught.
async fn replay(rounds: &mut Rounds, options: &Options, dir: &Path, begin: Instant) -> Result<bool> {
    let mut table = Vec::new();
    let mut living = 0;
    for mutant in &mutants::ALL {
        rounds.only = mutant.only.to_vec();
        rounds.mutant = Some(mutant);
        console::heading(&title(rounds, mutant.seed));
        let file = dir.join(mutant.name).with_extension("json");
        let report =
            series(rounds, mutant.seed, options.keep, &file, |played| played < mutants::TRIES).await?;
        table.push(match report.caught() {
            Some(seed) => mutant.row(seed),
            None => {
                living += 1;
                format!("| `{}` LIVES", mutant.name)
            }
        });
        // The next one has the same seeds.
        let files = &rounds.bench.dir;
        let kept = dir.join(mutant.name).with_extension("rounds");
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::rename(files, kept)?;
        fs::create_dir_all(files)?;
    }
    console::heading(&match living {
        0 => format!("All {} mutants are caught ({})", table.len(), console::duration(begin.elapsed())),
        living => format!("{living} of {} mutants LIVE", table.len()),
    });
    table.iter().for_each(|line| console::line(line));
    Ok(living == 0)
}

fn program(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from);
    let path = path.with_context(|| format!("{variable} is not set: run this with `cargo xtask faults`"))?;
    ensure!(path.is_file(), "{variable}: there is no program {}", path.display());
    Ok(path)
}

fn title(rounds: &Rounds, first: u64) -> String {
    let mutant = rounds.mutant.map(|mutant| format!(", with the mutant {}", mutant.name));
    format!("Rounds of {} s from seed {first}{}", rounds.length.as_secs(), mutant.unwrap_or_default())
}

/// What a person needs to know of a round that failed.
fn tell(played: &Played, mutant: Option<&Mutant>, files: &str) {
    /// The first ones tell most, and all are in the files.
    const TOLD: usize = 3;
    if mutant.is_some() {
        let mut rules: Vec<&str> = played.violations.iter().map(|violation| violation.rule.name()).collect();
        rules.dedup();
        return console::line(&format!("            broken: {}", rules.join(" ")));
    }
    for violation in played.violations.iter().take(TOLD) {
        console::line(&format!("VIOLATION {}", checker::report(&played.history, violation)));
    }
    if let Some(more) = played.violations.len().checked_sub(TOLD).filter(|more| *more > 0) {
        console::line(&format!("... and {more} more"));
    }
    console::line(&format!("files         {files}"));
    console::line(&format!("again         cargo xtask faults --seed {} --rounds 1", played.seed));
}
