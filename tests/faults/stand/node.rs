//! One process of the platform: started again whenever it dies, as an orchestrator does.

use std::{
    fs::File,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use xtask::process::{Managed, StopSignal};

use super::{probe::Probe, servers::Servers};
use crate::{actors::now, history::Millis};

/// What an orchestrator takes to notice a death.
const NOTICED_AFTER: Duration = Duration::from_millis(50);
/// How often a process that was started is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `gateway`.
    Gateway,
    /// `booking`.
    Booking,
    /// `catalog` and `user`.
    Catalog,
    /// `worker`.
    Worker,
}

impl Role {
    /// As `marquee serve --roles` wants it.
    pub const fn roles(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Booking => "booking",
            Self::Catalog => "catalog,user",
            Self::Worker => "worker",
        }
    }
}

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Unique in the round.
    pub name: &'static str,
    /// What it does.
    pub role: Role,
    /// The program.
    pub program: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// What it says.
    pub log: PathBuf,
    /// Where it listens.
    pub port: u16,
    /// The deliberate bug that it has.
    pub mutant: Option<&'static str>,
}

/// One death of a process.
#[derive(Debug, Clone, Serialize)]
pub struct Death {
    /// Which process.
    pub process: String,
    /// When.
    pub at: Millis,
    /// How it ended.
    pub status: String,
    /// Who wanted it; without anybody, it is a bug.
    pub wanted_by: Option<String>,
    /// How long until it was ready again, in milliseconds.
    pub ready_ms: Option<u64>,
    /// Whether clients could feel it, and somebody tried what they do.
    pub felt: bool,
    /// How long until requests were answered again, in milliseconds.
    pub restored_ms: Option<u64>,
}

#[cfg(test)]
impl Death {
    /// The nemesis killed it. Clients feel it unless it was a worker.
    pub fn by_kill(process: &str, at: Millis, restored_ms: Option<u64>) -> Self {
        Self {
            process: process.to_owned(),
            at,
            status: String::new(),
            wanted_by: Some("kill".to_owned()),
            ready_ms: None,
            felt: !process.starts_with("worker"),
            restored_ms,
        }
    }
}

/// A supervised process.
#[derive(Debug)]
pub struct Node {
    launch: Launch,
    servers: Arc<Servers>,
    http: reqwest::Client,
    probe: OnceLock<Probe>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Managed>,
    /// Why it may die now.
    death_wish: Option<String>,
    deaths: Vec<Death>,
}

impl Node {
    /// A process that is not started yet.
    pub fn new(launch: Launch, servers: Arc<Servers>, http: reqwest::Client) -> Arc<Self> {
        Arc::new(Self { launch, servers, http, probe: OnceLock::new(), state: Mutex::default() })
    }

    /// Lets this probe tell how long a death was felt.
    pub fn watch_with(&self, probe: Probe) {
        // The first one will do.
        let _ = self.probe.set(probe);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.launch.name
    }

    /// What it says.
    pub const fn log(&self) -> &PathBuf {
        &self.launch.log
    }

    /// An address on its own listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.launch.port)
    }

    /// Starts it, and again whenever it ends, until told to stop; then it is killed.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn supervise(
        self: &Arc<Self>,
        stop: CancellationToken,
    ) -> Result<tokio::task::JoinHandle<Result<()>>> {
        let child = self.start()?;
        let node = Arc::clone(self);
        Ok(tokio::spawn(async move { node.keep(child, stop).await }))
    }

    async fn keep(self: Arc<Self>, mut child: Child, stop: CancellationToken) -> Result<()> {
        loop {
            let ended = stop.run_until_cancelled(child.wait()).await;
            let Some(status) = ended else {
                self.kill("the end of the round");
                child.wait().await?;
                return self.forget();
            };
            let death = self.mourn(status?);
            self.forget()?;
            let measuring = Arc::clone(&self).measure(death, Instant::now());
            tokio::spawn(stop.clone().run_until_cancelled_owned(measuring));
            if stop.run_until_cancelled(sleep(NOTICED_AFTER)).await.is_none() {
                return Ok(());
            }
            child = self.start()?;
        }
    }

    fn start(&self) -> Result<Child> {
        let Launch { name, role, program, config, log, mutant, .. } = &self.launch;
        let output = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--roles", role.roles(), "--config"])
            .arg(config)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true);
        for variable in ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "MARQUEE_MUTANT"] {
            command.env_remove(variable);
        }
        if let Some(mutant) = mutant {
            command.env("MARQUEE_MUTANT", mutant);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        // One that has ended already is found dead by whoever waits for it.
        let recorded =
            child.id().and_then(|pid| self.servers.home().record(name, pid, &[StopSignal::Term], 5).ok());
        self.state().process = recorded;
        Ok(child)
    }

    /// Writes a death down; its number.
    fn mourn(&self, status: ExitStatus) -> usize {
        let mut state = self.state();
        let wanted_by = state.death_wish.take();
        state.deaths.push(Death {
            process: self.launch.name.to_owned(),
            at: now(),
            status: status.to_string(),
            wanted_by,
            ready_ms: None,
            felt: self.probe().is_some(),
            restored_ms: None,
        });
        state.deaths.len() - 1
    }

    /// Who feels it when this process is away: nobody for a worker, which clients do not wait for.
    fn probe(&self) -> Option<&Probe> {
        self.probe.get().filter(|_| self.launch.role != Role::Worker)
    }

    /// Finds out how long a death was felt.
    async fn measure(self: Arc<Self>, death: usize, since: Instant) {
        let ready = async {
            self.ready().await;
            self.amend(death, |death| death.ready_ms = Some(millis(since.elapsed())));
        };
        match self.probe() {
            None => ready.await,
            Some(probe) => {
                let restored = probe.restored(since, ready).await;
                self.amend(death, |death| death.restored_ms = restored.map(millis));
            }
        }
    }

    fn amend(&self, death: usize, change: impl FnOnce(&mut Death)) {
        if let Some(death) = self.state().deaths.get_mut(death) {
            change(death);
        }
    }

    /// Takes it from the record of what has to be ended.
    fn forget(&self) -> Result<()> {
        let process = self.state().process.take();
        process.map_or(Ok(()), |process| process.stop())
    }

    /// The deaths so far.
    pub fn deaths(&self) -> Vec<Death> {
        self.state().deaths.clone()
    }

    /// Kills it; whether it lived.
    pub fn kill(&self, why: &str) -> bool {
        self.may_die(Some(why));
        let process = self.state().process.clone();
        let Some(process) = process.filter(Managed::is_alive) else { return false };
        process.identity().kill();
        true
    }

    /// Whoever finds it dead from now on knows why.
    pub fn may_die(&self, why: Option<&str>) {
        self.state().death_wish = why.map(str::to_owned);
    }

    /// Stops it without ending it.
    pub fn freeze(&self) {
        if let Some(process) = &self.state().process {
            process.freeze();
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.state().process {
            process.thaw();
        }
    }

    /// Whether it can do its work now.
    pub async fn is_ready(&self) -> bool {
        let asking = self.http.get(self.url("/ready")).send();
        matches!(timeout(ANSWER_WITHIN, asking).await, Ok(Ok(answer)) if answer.status().is_success())
    }

    /// Waits until it can do its work.
    pub async fn ready(&self) {
        while !self.is_ready().await {
            sleep(ASK_EVERY).await;
        }
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
