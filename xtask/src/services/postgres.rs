//! A private PostgreSQL.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use super::{Home, PostgresPrograms, Say, account::Account, await_ready::tail};
use crate::{
    console,
    interrupt::Interrupt,
    process::{Identity, Managed, StopSignal, capture},
};

/// How safe the data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit reaches the disk.
    Safe,
    /// Nothing waits for the disk, and yet a crash of PostgreSQL, unlike one of the machine, loses
    /// nothing: for tests that kill it.
    Process,
    /// Nothing waits for anything: a crash may lose the last commits, one of the machine everything.
    Fast,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    account: Account,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    process: Managed,
}

/// After a kill its last processes end within moments; until then it refuses to start.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

/// Settings for both kinds of durability.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 128MB
max_wal_size = 2GB
log_line_prefix = '%m [%p] %a %d '
log_min_duration_statement = 2000
logging_collector = off
";

/// Further settings for [`Durability::Process`]: whoever commits waits until the system has the log.
const PROCESS: &str = "\
fsync = off
autovacuum_naptime = 10min
";

/// Further settings for [`Durability::Fast`].
const FAST: &str = "\
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 10min
";

impl Postgres {
    /// Starts it, with the data of last time if there is any.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn start(
        home: &Home,
        programs: PostgresPrograms,
        durability: Durability,
        interrupt: &Interrupt,
        say: Say<'_>,
    ) -> Result<Self> {
        let began = Instant::now();
        let account = Account::choose()?;
        let wanted = home.service_dir("postgres")?;
        let folder = account.own_folder(&wanted)?;
        if folder != wanted {
            say(&format!(
                "PostgreSQL keeps its data in {}: its user cannot enter the checkout",
                folder.display()
            ));
        }
        let data = folder.join("data");
        let (version, bin) = choose(&programs, &data)?;
        if !data.join("PG_VERSION").exists() {
            initialise(account, &bin, &data)?;
        }
        interrupt.check()?;
        let port = home.port("postgres", None)?;
        write_settings(&data, port, durability)?;
        let log = folder.join("log");
        let process = launch(home, account, &bin, &data, &log)?;
        say(&format!("PostgreSQL {version} on 127.0.0.1:{port} ({})", console::duration(began.elapsed())));
        Ok(Self { programs: bin, account, data, log, port, process })
    }

    /// The URL of a database, as superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The server process, for faults.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// Makes a database, unless it is there.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let exists = self.query(&format!("select 1 from pg_database where datname = '{name}'"))?;
        if exists.trim().is_empty() {
            self.query(&format!("create database \"{name}\""))?;
        }
        Ok(())
    }

    fn query(&self, sql: &str) -> Result<String> {
        let url = self.url("postgres");
        capture(
            self.account
                .command(self.programs.join("psql"))
                .args(["--no-psqlrc", "--quiet", "--tuples-only", "--command", sql])
                .arg(url),
        )
    }

    /// Starts it again after [`Managed::kill`] or [`Managed::stop`], with its data.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn restart(&mut self, home: &Home) -> Result<()> {
        self.process.stop()?;
        self.process = launch(home, self.account, &self.programs, &self.data, &self.log)?;
        Ok(())
    }
}

/// Starts the server and waits until it answers.
fn launch(home: &Home, account: Account, bin: &Path, data: &Path, log: &Path) -> Result<Managed> {
    let start = || {
        let mut command = account.command(bin.join("pg_ctl"));
        command.args(["start", "--wait", "--timeout=60", "--silent"]);
        capture(command.arg("--pgdata").arg(data).arg("--log").arg(log))
    };
    let mut outcome = Ok(String::new());
    for _ in 0..ATTEMPTS {
        remove_stale_pid(data);
        outcome = start();
        if outcome.is_ok() {
            break;
        }
        thread::sleep(PAUSE);
    }
    // Also after a failure: it may have come up too late, and must not stay.
    let process = pid(data)
        .map(|pid| home.record("PostgreSQL", pid, &[StopSignal::Int, StopSignal::Quit], 15))
        .transpose();
    outcome.with_context(|| tail(log, 20))?;
    process?.ok_or_else(|| anyhow!("PostgreSQL has no pid file"))
}

/// The version that made the data, else the newest.
fn choose(programs: &PostgresPrograms, data: &Path) -> Result<(u32, PathBuf)> {
    let made_by: Option<u32> =
        fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let found = match made_by {
        None => programs.by_version.first(),
        Some(made_by) => programs.by_version.iter().find(|(version, _)| *version == made_by),
    };
    match (found, made_by) {
        (Some(found), _) => Ok(found.clone()),
        (None, Some(made_by)) => bail!(
            "the data in {} is of PostgreSQL {made_by}, which is not installed; install it, or begin anew with \
             `cargo xtask down --purge`",
            data.display()
        ),
        (None, None) => bail!("no PostgreSQL is installed"),
    }
}

fn initialise(account: Account, bin: &Path, data: &Path) -> Result<()> {
    // An initdb that was killed leaves a folder that the next one refuses.
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let locale = if cfg!(target_os = "linux") { "C.UTF-8" } else { "en_US.UTF-8" };
    capture(
        account
            .command(bin.join("initdb"))
            // Unusable until complete; nothing is lost without a sync.
            .args(["--no-sync", "--encoding=UTF8", "--username=postgres", "--auth=trust"])
            .arg(format!("--locale={locale}"))
            .arg("--pgdata")
            .arg(data),
    )?;
    let file = data.join("postgresql.conf");
    let mut text = fs::read_to_string(&file)?;
    text.push_str("\ninclude_if_exists = 'marquee.conf'\n");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn write_settings(data: &Path, port: u16, durability: Durability) -> Result<()> {
    let mut text = format!("port = {port}\n{SETTINGS}");
    text.push_str(match durability {
        Durability::Safe => "",
        Durability::Process => PROCESS,
        Durability::Fast => FAST,
    });
    fs::write(data.join("marquee.conf"), text).context("cannot write PostgreSQL's settings")
}

fn pid(data: &Path) -> Option<u32> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// After a crash the pid file may name a process that is somebody else by now, for which
/// PostgreSQL would refuse to start. Waits for one that is still ending.
fn remove_stale_pid(data: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(pid) = pid(data) {
        let ours = Identity::of(pid).is_some() && is_postgres(pid);
        if !ours {
            let _ = fs::remove_file(data.join("postmaster.pid"));
        } else if Instant::now() > deadline {
            // PostgreSQL will say what is wrong.
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_postgres(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => name.trim() == "postgres",
        // No /proc: leave the decision to PostgreSQL.
        Err(_) => !Path::new("/proc/self").exists(),
    }
}
