//! Child processes with a log, ended for sure.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// What a process may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
/// How much of a log is worth reading after a failure.
const LOG_TAIL: usize = 60;

/// A running program.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it says goes to `log`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Sends a signal by name: `TERM`, `KILL`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, then the exit code; SIGKILL when it takes too long.
    ///
    /// # Errors
    /// When it had to be killed, or ended with an error.
    pub fn stop(&mut self) -> Result<()> {
        if self.is_running() {
            self.signal("TERM")?;
        }
        let deadline = Instant::now() + GRACE;
        while self.is_running() {
            if Instant::now() > deadline {
                self.kill();
                anyhow::bail!("did not end within {} s of SIGTERM", GRACE.as_secs());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines of what it said.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the log is what explains a failed test")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- end of {} ---\n{}\n---", self.log.display(), self.log_tail());
        }
        if self.stop().is_err() {
            self.kill();
        }
    }
}
