//! Who PostgreSQL runs as: it refuses to be root.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process::capture;

/// Whom PostgreSQL runs as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// Whoever runs this.
    Own,
    /// The user `postgres`, since this is root.
    Postgres { uid: u32, gid: u32 },
}

const USER: &str = "postgres";

impl Account {
    /// # Errors
    /// When this is root and there is no user `postgres`.
    pub(super) fn choose() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let id = |flag: &str| -> Result<u32> {
            Ok(capture(Command::new("id").args([flag, USER]))?.trim().parse()?)
        };
        let missing = "PostgreSQL does not run as root, and there is no user `postgres` to run it as; \
                       run this command as an ordinary user";
        Ok(Self::Postgres { uid: id("-u").context(missing)?, gid: id("-g").context(missing)? })
    }

    /// A command run by the account, in a folder that it can enter.
    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = match self {
            Self::Own => Command::new(program.as_ref()),
            Self::Postgres { .. } => {
                let mut command = Command::new("runuser");
                command.args(["-u", USER, "--"]).arg(program.as_ref());
                command
            }
        };
        command.current_dir("/").env("LC_ALL", "C");
        command
    }

    /// A data folder that the account owns and can reach: `wanted`, or, when that lies under a
    /// folder closed to it (such as root's home), one under `/var/tmp`.
    pub(super) fn own_folder(self, wanted: &Path) -> Result<PathBuf> {
        let Self::Postgres { uid, gid } = self else {
            fs::create_dir_all(wanted)?;
            return Ok(wanted.to_owned());
        };
        let folder = match wanted.parent() {
            Some(parent) if !self.can_enter(parent) => elsewhere(wanted),
            _ => wanted.to_owned(),
        };
        fs::create_dir_all(&folder)?;
        chown(&folder, Some(uid), Some(gid))
            .with_context(|| format!("cannot give away {}", folder.display()))?;
        Ok(folder)
    }

    fn can_enter(self, folder: &Path) -> bool {
        capture(self.command("test").arg("-x").arg(folder)).is_ok()
    }
}

/// A place for what cannot be at `wanted`, always the same one.
fn elsewhere(wanted: &Path) -> PathBuf {
    PathBuf::from(format!("/var/tmp/marquee-{:016x}", fingerprint(wanted)))
}

/// FNV-1a of the path: stable over versions of everything.
fn fingerprint(path: &Path) -> u64 {
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Removes a home folder and what was put elsewhere for it.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_data(home: &Path) -> Result<()> {
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    for folder in [elsewhere(&home.join("services").join("postgres")), home] {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_other_place() {
        assert_eq!(elsewhere(Path::new("a/b")), elsewhere(Path::new("a/b")));
        assert_ne!(elsewhere(Path::new("a/b")), elsewhere(Path::new("a/c")));
    }
}
