//! Finding the servers' programs on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::capture;

/// Oldest versions that work.
pub(super) const POSTGRES_AT_LEAST: u32 = 15;
pub(super) const REDIS_AT_LEAST: u32 = 7;

/// The programs that were found.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// PostgreSQL, newest first.
    pub postgres: Option<PostgresPrograms>,
    /// `redis-server`, or `valkey-server`, which is the same for us.
    pub redis: Option<PathBuf>,
    /// RabbitMQ.
    pub rabbit: Option<RabbitPrograms>,
}

/// All installed PostgreSQL servers that are new enough: folder of programs by major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPrograms {
    /// Newest first; never empty.
    pub(super) by_version: Vec<(u32, PathBuf)>,
}

/// RabbitMQ's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitPrograms {
    /// The start script that runs as whoever calls it.
    pub(super) server: PathBuf,
    /// Erlang's name server. Without it Erlang starts one by itself.
    pub(super) epmd: Option<PathBuf>,
}

impl Programs {
    /// Looks in `PATH` and where packages of the usual systems put them.
    pub fn find() -> Self {
        Self { postgres: find_postgres(), redis: find_redis(), rabbit: find_rabbit() }
    }
}

fn find_postgres() -> Option<PostgresPrograms> {
    let mut folders = path_folders();
    folders.extend(matching("/usr/lib/postgresql", "", "bin"));
    folders.extend(matching("/usr", "pgsql-", "bin"));
    folders.extend(matching("/opt/homebrew/opt", "postgresql", "bin"));
    folders.extend(matching("/usr/local/opt", "postgresql", "bin"));
    let mut by_version: Vec<_> = folders
        .into_iter()
        .filter(|folder| {
            ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|name| folder.join(name).is_file())
        })
        .filter_map(|folder| Some((major_version(&folder.join("postgres"), ") ")?, folder)))
        .filter(|(version, _)| *version >= POSTGRES_AT_LEAST)
        .collect();
    // Of equal versions the first in PATH stays first.
    by_version.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    (!by_version.is_empty()).then_some(PostgresPrograms { by_version })
}

fn find_redis() -> Option<PathBuf> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .flat_map(everywhere)
        .find(|program| major_version(program, "v=").is_some_and(|version| version >= REDIS_AT_LEAST))
}

fn find_rabbit() -> Option<RabbitPrograms> {
    // Debian's /usr/sbin/rabbitmq-server insists on root or the user rabbitmq; what it wraps does not.
    let wrapped = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    let unpacked = matching("/usr/lib/rabbitmq/lib", "rabbitmq_server-", "sbin");
    let server = [wrapped]
        .into_iter()
        .chain(unpacked.into_iter().map(|folder| folder.join("rabbitmq-server")))
        .chain(everywhere("rabbitmq-server"))
        .find(|program| program.is_file())?;
    let epmd = everywhere("epmd")
        .into_iter()
        .chain(matching("/usr/lib/erlang", "erts-", "bin/epmd"))
        .chain(matching("/usr/lib64/erlang", "erts-", "bin/epmd"))
        .chain(matching("/usr/local/lib/erlang", "erts-", "bin/epmd"))
        .chain(matching("/opt/homebrew/lib/erlang", "erts-", "bin/epmd"))
        .find(|program| program.is_file());
    Some(RabbitPrograms { server, epmd })
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// A program in `PATH` and in the folders that a plain user's `PATH` often lacks.
pub(super) fn everywhere(name: &str) -> Vec<PathBuf> {
    let more = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/homebrew/sbin"];
    let folders = path_folders().into_iter().chain(more.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).filter(|program| program.is_file()).collect()
}

/// `parent/prefix*/inner` for each folder of that name.
fn matching(parent: &str, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(inner))
        .filter(|path| path.exists())
        .collect()
}

/// The number after `mark` in what `--version` says.
fn major_version(program: &Path, mark: &str) -> Option<u32> {
    let text = capture(Command::new(program).arg("--version").env("LC_ALL", "C")).ok()?;
    number_after(&text, mark)
}

fn number_after(text: &str, mark: &str) -> Option<u32> {
    let (_, rest) = text.split_once(mark)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(number_after("postgres (PostgreSQL) 15.18 (Debian 15.18-0)", ") "), Some(15));
        assert_eq!(number_after("postgres (PostgreSQL) 18beta1", ") "), Some(18));
        assert_eq!(number_after("Redis server v=7.0.15 sha=00000000:0", "v="), Some(7));
        assert_eq!(number_after("something else", "v="), None);
    }
}
