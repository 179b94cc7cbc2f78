//! The record of what was started.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::{Identity, owner};

const FILE: &str = "processes.json";

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopSignal {
    /// SIGTERM.
    Term,
    /// SIGINT: a fast shutdown, to PostgreSQL.
    Int,
    /// SIGQUIT: an immediate shutdown, to PostgreSQL.
    Quit,
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Term => Self::TERM,
            StopSignal::Int => Self::INT,
            StopSignal::Quit => Self::QUIT,
        }
    }
}

/// One recorded process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    process: Identity,
    /// Sent one after the other, each with the grace; then comes SIGKILL.
    signals: Vec<StopSignal>,
    grace_ms: u64,
}

impl Entry {
    fn stop(&self) {
        for signal in &self.signals {
            if !self.process.signal((*signal).into()) {
                return;
            }
            let deadline = Instant::now() + Duration::from_millis(self.grace_ms);
            while Instant::now() < deadline {
                if !self.process.is_alive() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.process.kill();
    }
}

/// The processes that were started for one folder, on disk.
#[derive(Debug)]
pub struct Ledger {
    file: PathBuf,
    entries: Mutex<Vec<Entry>>,
}

impl Ledger {
    /// Opens the ledger of a folder, with what is recorded there.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file not read.
    pub fn open(dir: &Path) -> Result<Arc<Self>> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let file = dir.join(FILE);
        let entries = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; remove it", file.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Arc::new(Self { file, entries: Mutex::new(entries) }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, entries: &[Entry]) -> Result<()> {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, serde_json::to_vec_pretty(entries)?)
            .and_then(|()| fs::rename(&fresh, &self.file))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    /// Records a living process. When that fails, the process is killed: better none than one that
    /// nobody knows of.
    ///
    /// # Errors
    /// When it has ended already, or the record cannot be written.
    pub fn record(
        self: &Arc<Self>,
        name: &str,
        pid: u32,
        signals: &[StopSignal],
        grace: Duration,
    ) -> Result<Managed> {
        let process = Identity::of(pid).ok_or_else(|| anyhow!("{name} ended right after its start"))?;
        let grace_ms = grace.as_millis().try_into().unwrap_or(u64::MAX);
        let entry =
            Entry { name: name.to_owned(), process: process.clone(), signals: signals.to_vec(), grace_ms };
        let mut entries = self.lock();
        entries.push(entry);
        if let Err(error) = self.save(&entries) {
            process.kill();
            return Err(error);
        }
        Ok(Managed { ledger: Arc::clone(self), process })
    }

    fn stop(&self, process: &Identity) -> Result<()> {
        let entry = self.lock().iter().find(|entry| entry.process == *process).cloned();
        if let Some(entry) = entry {
            entry.stop();
        }
        let mut entries = self.lock();
        entries.retain(|entry| entry.process != *process);
        self.save(&entries)
    }

    /// Ends all recorded processes, the last started first; the names of those that lived.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn stop_all(&self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        loop {
            let Some(entry) = self.lock().last().cloned() else { return Ok(ended) };
            if entry.process.is_alive() {
                ended.push(entry.name.clone());
            }
            self.stop(&entry.process)?;
        }
    }

    /// The name of a recorded process that has died, if there is one.
    pub fn first_dead(&self) -> Option<String> {
        self.lock().iter().find(|entry| !entry.process.is_alive()).map(|entry| entry.name.clone())
    }
}

/// A recorded process.
#[derive(Clone, Debug)]
pub struct Managed {
    ledger: Arc<Ledger>,
    process: Identity,
}

impl Managed {
    /// Which process it is.
    pub fn identity(&self) -> &Identity {
        &self.process
    }

    /// Whether it lives.
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Ends it in order, or by force when that takes too long.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn stop(&self) -> Result<()> {
        self.ledger.stop(&self.process)
    }

    /// Kills it, as a fault would (SIGKILL to its whole process group).
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn kill(&self) -> Result<()> {
        self.process.kill();
        self.stop()
    }

    /// Freezes it (SIGSTOP): it stays connected and says nothing.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }
}

/// Ends everything that the ledgers in a folder and below it record; the names of what lived.
/// Inner folders that belong to a living process are left alone.
///
/// # Errors
/// When a ledger cannot be read or written.
pub fn stop_below(dir: &Path) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    if dir.join(FILE).exists() {
        ended.extend(Ledger::open(dir)?.stop_all()?);
    }
    let Ok(inner) = fs::read_dir(dir) else { return Ok(ended) };
    for entry in inner.flatten() {
        // Data folders hold no ledgers and may be large.
        let is_data = entry.file_name() == "services";
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !is_data && owner(&entry.path()).is_none() {
            ended.extend(stop_below(&entry.path())?);
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn child(program: &str, arguments: &[&str]) -> Child {
        Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn what_was_recorded_is_ended_by_whoever_opens_the_ledger_next() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("test-1");
        let mut cat = child("cat", &[]);
        let grace = Duration::from_secs(5);
        Ledger::open(&inner).unwrap().record("cat", cat.id(), &[StopSignal::Term], grace).unwrap();
        assert_eq!(stop_below(folder.path()).unwrap(), ["cat"]);
        assert!(!cat.wait().unwrap().success());
        assert!(stop_below(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut deaf = child("sh", &["-c", "trap '' TERM; read line"]);
        let ledger = Ledger::open(folder.path()).unwrap();
        let grace = Duration::from_millis(50);
        let managed = ledger.record("deaf", deaf.id(), &[StopSignal::Term], grace).unwrap();
        managed.stop().unwrap();
        deaf.wait().unwrap();
        assert!(!managed.is_alive());
    }
}
