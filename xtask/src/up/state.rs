//! The folder `.marquee`.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

/// How often the folder is looked at while waiting for somebody else.
pub(crate) const TICK: Duration = Duration::from_millis(300);

/// The folder of everything that running the platform leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct State {
    dir: PathBuf,
}

impl State {
    /// The folder; made when it is not there.
    pub(crate) fn new(dir: PathBuf) -> Result<Self> {
        let state = Self { dir };
        for folder in [state.log_dir(), state.mail_dir()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(state)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Where mail goes that is not sent.
    pub(crate) fn mail_dir(&self) -> PathBuf {
        self.dir.join("mail")
    }

    /// The configuration of `marquee`.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("marquee.toml")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.dir.join("secrets.toml")
    }

    pub(crate) fn endpoints(&self) -> PathBuf {
        self.dir.join(super::ENDPOINTS)
    }

    /// What the payment sandbox keeps over a restart.
    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("paysim.jsonl")
    }

    /// The right to run the platform from here; `None` when somebody else has it. The operating
    /// system gives it back when its holder ends, however it ends.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        let path = self.dir.join("up.lock");
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// Writes a file whole or not at all, readable by its owner only.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    // One left by a kill may have other permissions.
    let _ = fs::remove_file(&fresh);
    File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&fresh, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path().to_owned()).unwrap();
        let lock = state.lock().unwrap();
        assert!(lock.is_some());
        assert!(state.lock().unwrap().is_none());
        drop(lock);
        assert!(state.lock().unwrap().is_some());
    }

    #[test]
    fn private_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.toml");
        write_private(&path, "a = 1").unwrap();
        write_private(&path, "a = 2").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
