//! Waiting for a server that was just started.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{interrupt::Interrupt, process::Managed};

const TICK: Duration = Duration::from_millis(25);

/// Waits until `probe` has an answer. When the process ends first, or time runs out, the error
/// carries the end of its log.
pub(super) fn await_ready<T>(
    name: &str,
    process: &Managed,
    log: &Path,
    patience: Duration,
    interrupt: &Interrupt,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if !process.is_alive() {
            bail!("{name} did not start; {}", tail(log, 20));
        }
        if Instant::now() > deadline {
            process.stop()?;
            bail!("{name} was not ready after {} s; {}", patience.as_secs(), tail(log, 20));
        }
        interrupt.pause(TICK)?;
    }
}

/// The last lines of a log, with its place.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    format!("{} ends with:\n{}", log.display(), last.join("\n"))
}
