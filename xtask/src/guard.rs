//! A helper process that outlives a killed command and clears up after it.
//!
//! It waits on a pipe whose other end only the command holds. However the command ends, even by
//! SIGKILL, the pipe closes; the guard then ends whatever the ledgers still record.

use std::{
    fs,
    io::{Read, stdin},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{process, up::ENDPOINTS};

/// The guard of this process; dropped when there is nothing left to guard.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Starts a guard for all processes recorded in a folder and below it.
    ///
    /// # Errors
    /// When this program cannot start itself.
    pub fn start(dir: &Path) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let child = Command::new(own)
            .arg("guard")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start the guard")?;
        Ok(Self(child))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The guard itself: waits until its parent is gone, then clears up.
///
/// # Errors
/// When a ledger cannot be read.
pub fn run(dir: &Path) -> Result<()> {
    let mut nothing = Vec::new();
    stdin().read_to_end(&mut nothing)?;
    // What programs look for while everything is ready.
    let _ = fs::remove_file(dir.join(ENDPOINTS));
    process::stop_below(dir).map(drop)
}
