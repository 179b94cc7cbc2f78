//! `cargo xtask down`: ends what `up` started, whatever state it is in.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::{
    console,
    interrupt::Interrupt,
    process::{Ledger, owner, stop_below},
    services::remove_data,
    up::state::{State, TICK},
    workspace,
};

/// What `up` may take to end in order.
const PATIENCE: Duration = Duration::from_secs(90);

/// How `down` is to work.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Also remove all data: databases, queues, keys, mail, logs.
    #[arg(long)]
    purge: bool,
}

/// Ends what `up` started. Nothing running is no error.
///
/// # Errors
/// When something cannot be ended or removed.
pub fn run(options: &Options) -> Result<()> {
    let dir = workspace::state_dir();
    if !dir.exists() {
        console::line("nothing to end: there is no .marquee folder");
        return Ok(());
    }
    let interrupt = Interrupt::catch()?;
    let state = State::new(dir.clone())?;
    let ended = end_up(&state, &interrupt)?;
    let Some(_lock) = state.lock()? else { bail!("another `cargo xtask up` has just begun") };
    let left_behind = Ledger::open(&dir)?.stop_all()?;
    for name in &left_behind {
        console::line(&format!("ended {name}, left behind by a run that was killed"));
    }
    if !ended && left_behind.is_empty() {
        console::line("nothing was running");
    }
    clear_tests(&dir)?;
    let _ = fs::remove_file(state.endpoints());
    if options.purge {
        if let Some(test) = test_dirs(&dir).into_iter().find(|test| owner(test).is_some()) {
            bail!("`cargo xtask test` is using {}; purge when it has ended", test.display());
        }
        remove_data(&dir)?;
        console::line("removed .marquee and all its data");
    }
    Ok(())
}

/// Ends a running `up`; whether there was one.
fn end_up(state: &State, interrupt: &Interrupt) -> Result<bool> {
    let began = Instant::now();
    let mut told = false;
    while state.lock()?.is_none() {
        match owner(state.dir()) {
            Some(up) if !told => {
                console::line(&format!("ending `cargo xtask up` (process {})", up.pid));
                up.signal(Signal::TERM);
                told = true;
            }
            Some(up) if began.elapsed() > PATIENCE => {
                console::line("it does not end; killing it");
                up.kill();
            }
            _ if began.elapsed() > PATIENCE * 2 => bail!("somebody holds {}/up.lock", state.dir().display()),
            _ => {}
        }
        interrupt.pause(TICK)?;
    }
    if told {
        console::line("it has ended, with everything it started");
    }
    Ok(told)
}

/// The folders of test runs.
pub(crate) fn test_dirs(dir: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("test-"))
        .map(|entry| entry.path())
        .collect()
}

/// Clears up after test runs that were killed.
pub(crate) fn clear_tests(dir: &std::path::Path) -> Result<()> {
    for test in test_dirs(dir) {
        if owner(&test).is_none() {
            stop_below(&test)?;
            remove_data(&test)?;
        }
    }
    Ok(())
}
