//! `cargo xtask up --detach`: the same in the background.

use std::{
    env,
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    Options, already_running,
    endpoints::Endpoints,
    state::{State, TICK},
};
use crate::{console, interrupt::Interrupt, process::Identity};

/// Starts `up` in the background and shows what it says until it is ready.
pub(super) fn run(options: &Options, state: &State) -> Result<()> {
    match state.lock()? {
        None => return already_running(state),
        // The background process takes it.
        Some(lock) => drop(lock),
    }
    Endpoints::remove(state)?;
    let interrupt = Interrupt::catch()?;
    let path = state.log_dir().join("up.log");
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = Command::new(env::current_exe()?);
    command.args(["up", "--background"]);
    if options.release {
        command.arg("--release");
    }
    if options.no_smoke {
        command.arg("--no-smoke");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot start in the background")?;

    let mut shown = 0;
    loop {
        show_rest(&path, &mut shown)?;
        if Endpoints::read(state)?.is_some() {
            // Written after the last word was said.
            return show_rest(&path, &mut shown);
        }
        if let Some(status) = child.try_wait()? {
            show_rest(&path, &mut shown)?;
            bail!("it has ended ({status})");
        }
        if interrupt.pause(TICK).is_err() {
            if let Some(child) = Identity::of(child.id()) {
                child.signal(rustix::process::Signal::TERM);
            }
            let status = child.wait()?;
            show_rest(&path, &mut shown)?;
            bail!("interrupted; the background process has ended ({status})");
        }
    }
}

/// Shows what the log has grown by.
fn show_rest(path: &std::path::Path, shown: &mut u64) -> Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(*shown))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // Whole lines only; the rest of the last one comes with the next look.
    if let Some((lines, _)) = text.rsplit_once('\n') {
        console::plain(lines);
        *shown += lines.len() as u64 + 1;
    }
    Ok(())
}
