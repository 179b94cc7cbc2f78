//! The private PostgreSQL, Redis and RabbitMQ of a run, and what the nemesis does to them.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
};
use xtask::{
    interrupt::Interrupt,
    process,
    services::{Durability, Home, Postgres, Rabbit, Redis, Services, TemporaryHome},
};

/// Running servers. Dropping them ends them, with everything else that was recorded at home.
#[derive(Debug)]
pub struct Servers {
    postgres: Mutex<Postgres>,
    redis: Mutex<Redis>,
    rabbit: Mutex<Rabbit>,
    home: TemporaryHome,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Servers {
    /// Starts them in `dir`, under a guard that ends them should this process be killed.
    ///
    /// # Errors
    /// What is missing, or why one of them does not start.
    pub fn start(dir: &Path, interrupt: &Interrupt) -> Result<Arc<Self>> {
        let (services, home) = Services::start_temporary(dir, Durability::Process, interrupt)?;
        let missing = || anyhow!("a server is not ours");
        Ok(Arc::new(Self {
            postgres: Mutex::new(services.postgres.ok_or_else(missing)?),
            redis: Mutex::new(services.redis.ok_or_else(missing)?),
            rabbit: Mutex::new(services.rabbit.ok_or_else(missing)?),
            home,
        }))
    }

    /// Where everything that is started is recorded.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The port of PostgreSQL.
    pub fn postgres_port(&self) -> u16 {
        lock(&self.postgres).port()
    }

    /// The port of Redis.
    pub fn redis_port(&self) -> u16 {
        lock(&self.redis).port()
    }

    /// The port of RabbitMQ.
    pub fn rabbit_port(&self) -> u16 {
        lock(&self.rabbit).port()
    }

    /// A database of the server, without a detour.
    pub fn postgres_url(&self, database: &str) -> String {
        lock(&self.postgres).url(database)
    }

    /// Kills PostgreSQL (`crash`) or ends it in order.
    ///
    /// # Errors
    /// When the record of processes cannot be written.
    pub async fn postgres_end(self: &Arc<Self>, crash: bool) -> Result<()> {
        self.blocking(move |servers| {
            let postgres = lock(&servers.postgres);
            if crash { postgres.process().kill() } else { postgres.process().stop() }
        })
        .await
    }

    /// Starts PostgreSQL again after [`Self::postgres_end`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn postgres_start(self: &Arc<Self>) -> Result<()> {
        self.blocking(|servers| lock(&servers.postgres).restart(&servers.home)).await
    }

    /// Stops PostgreSQL without ending it, or lets it go on: the server and each of its sessions,
    /// which are processes too.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn postgres_freeze(self: &Arc<Self>, freeze: bool) -> Result<()> {
        self.blocking(move |servers| {
            let postgres = lock(&servers.postgres);
            let server = postgres.process().identity().pid;
            if freeze {
                // First, so that it begins no session that is not found below.
                postgres.process().freeze();
                signal("-STOP", &children(server)?);
            } else {
                signal("-CONT", &children(server)?);
                postgres.process().thaw();
            }
            Ok(())
        })
        .await
    }

    /// Kills Redis.
    ///
    /// # Errors
    /// When the record of processes cannot be written.
    pub async fn redis_end(self: &Arc<Self>) -> Result<()> {
        self.blocking(|servers| lock(&servers.redis).process().kill()).await
    }

    /// Starts Redis again after [`Self::redis_end`]: empty, or with what it had at the last
    /// [`Self::redis_save`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn redis_start(self: &Arc<Self>, empty: bool) -> Result<()> {
        self.blocking(move |servers| {
            if empty {
                servers.redis_forget()?;
            }
            lock(&servers.redis).restart(&servers.home)
        })
        .await
    }

    /// Writes what Redis has to disk, where a restart finds it.
    ///
    /// # Errors
    /// When Redis does not do it.
    pub async fn redis_save(&self) -> Result<()> {
        self.redis_command("SAVE").await
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// When Redis does not do it.
    pub async fn redis_clear(&self) -> Result<()> {
        self.redis_forget()?;
        self.redis_command("FLUSHALL").await
    }

    /// Removes what [`Self::redis_save`] wrote.
    fn redis_forget(&self) -> Result<()> {
        let saved = self.home.dir().join("services/redis/dump.rdb");
        if saved.exists() {
            fs::remove_file(saved)?;
        }
        Ok(())
    }

    async fn redis_command(&self, command: &str) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis_port())).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = [0; 3];
        stream.read_exact(&mut answer).await.with_context(|| format!("Redis does not answer {command}"))?;
        ensure!(answer == *b"+OK", "Redis refuses {command}");
        Ok(())
    }

    /// Stops Redis without ending it, or lets it go on.
    pub fn redis_freeze(&self, freeze: bool) {
        let redis = lock(&self.redis);
        if freeze { redis.process().freeze() } else { redis.process().thaw() }
    }

    /// Kills RabbitMQ. (To end in order takes it half a minute.)
    ///
    /// # Errors
    /// When the record of processes cannot be written.
    pub async fn rabbit_end(self: &Arc<Self>) -> Result<()> {
        self.blocking(|servers| lock(&servers.rabbit).process().kill()).await
    }

    /// Starts RabbitMQ again after [`Self::rabbit_end`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn rabbit_start(self: &Arc<Self>) -> Result<()> {
        self.blocking(|servers| lock(&servers.rabbit).restart(&servers.home)).await
    }

    /// Stops RabbitMQ without ending it, or lets it go on.
    pub fn rabbit_freeze(&self, freeze: bool) {
        let rabbit = lock(&self.rabbit);
        if freeze { rabbit.process().freeze() } else { rabbit.process().thaw() }
    }

    /// Lets all go on that may be stopped.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn thaw(self: &Arc<Self>) -> Result<()> {
        self.redis_freeze(false);
        self.rabbit_freeze(false);
        self.postgres_freeze(false).await
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let servers = Arc::clone(self);
        spawn_blocking(move || work(&servers)).await?
    }
}

/// The processes that `parent` started and that live.
fn children(parent: u32) -> Result<Vec<u32>> {
    let listed = process::capture(Command::new("ps").args(["-A", "-o", "pid=,ppid="]))?;
    let pids = listed.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (pid, of) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (of == parent).then_some(pid)
    });
    Ok(pids.collect())
}

/// Sends a signal to those that still live.
fn signal(signal: &str, pids: &[u32]) {
    let mut command = Command::new("kill");
    command.arg(signal).args(pids.iter().map(u32::to_string));
    // Some may have ended since they were listed.
    let _ = process::capture(&mut command);
}
