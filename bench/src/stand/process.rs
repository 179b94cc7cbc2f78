//! One process of the stand.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use tokio::task::block_in_place;
use xtask::process::{Managed, StopSignal};

use super::Servers;

/// What it may take to end by itself.
const GRACE_SECONDS: u64 = 20;
/// How much of a log explains a failure.
const TAIL: usize = 20;

/// A running process. What is left of it goes with the record of the servers.
#[derive(Debug)]
pub struct Part {
    /// What reports call it.
    pub name: &'static str,
    /// Its number.
    pub pid: u32,
    child: Child,
    managed: Managed,
    log: PathBuf,
}

impl Part {
    /// Starts `command`; what it says goes to a file in `logs`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &'static str, mut command: Command, logs: &Path, servers: &Servers) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        for variable in ["DATABASE_URL", "REDIS_URL", "AMQP_URL"] {
            command.env_remove(variable);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id();
        let managed = servers.home().record(name, pid, &[StopSignal::Term], GRACE_SECONDS)?;
        Ok(Self { name, pid, child, managed, log })
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn stop(mut self) -> Result<()> {
        block_in_place(|| {
            self.managed.stop()?;
            self.child.wait().map(drop).context("cannot wait for a process")
        })
    }

    /// The end of what it said.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }
}
