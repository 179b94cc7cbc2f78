//! Private instances of PostgreSQL, Redis and RabbitMQ in a folder, on ports of their own.
//!
//! Nothing of the machine's own services is touched: not their ports, data, configuration or
//! processes. The tests use this module too, for instances that a fault may hit.

mod account;
mod await_ready;
mod external;
mod install;
mod postgres;
mod program;
mod rabbit;
mod redis;
mod temporary;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Result, anyhow};

pub use account::remove_data;
pub(crate) use await_ready::tail;
pub use external::External;
pub use install::{Install, promtool};
pub use postgres::{Durability, Postgres};
pub use program::{PostgresPrograms, Programs, RabbitPrograms};
pub use rabbit::Rabbit;
pub use redis::Redis;
pub use temporary::TemporaryHome;

use crate::{
    interrupt::Interrupt,
    ports::Ports,
    process::{Ledger, Managed, StopSignal},
};

/// Where progress is told.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// A folder of private instances.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    ledger: Arc<Ledger>,
    ports: Mutex<Ports>,
}

impl Home {
    /// Opens a folder, and ends what a killed command left running there.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(dir: &Path) -> Result<Self> {
        let ledger = Ledger::open(dir)?;
        ledger.stop_all()?;
        // Absolute, since the servers run in other working folders.
        let dir = dir.canonicalize()?;
        let ports = Mutex::new(Ports::open(&dir)?);
        Ok(Self { dir, ledger, ports })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data folder of one service; made when needed.
    ///
    /// # Errors
    /// When it cannot be made.
    fn service_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join("services").join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// A free port, the same one as last time if possible.
    ///
    /// # Errors
    /// When there is none.
    pub fn port(&self, name: &str, preferred: Option<u16>) -> Result<u16> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).choose(name, preferred)
    }

    /// Records a process of this folder.
    ///
    /// # Errors
    /// When it has ended already, or the record cannot be written.
    pub fn record(&self, name: &str, pid: u32, signals: &[StopSignal], grace_s: u64) -> Result<Managed> {
        self.ledger.record(name, pid, signals, std::time::Duration::from_secs(grace_s))
    }

    /// The name of a process of this folder that has died, if there is one.
    pub fn first_dead(&self) -> Option<String> {
        self.ledger.first_dead()
    }

    /// Ends everything that was started in this folder.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn stop_all(&self) -> Result<()> {
        self.ledger.stop_all().map(drop)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The last resort of a path that ended early; the ledger keeps what cannot be ended.
        let _ = self.ledger.stop_all();
    }
}

/// What [`Services::start`] is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How safe PostgreSQL keeps its data.
    pub durability: Durability,
    /// Services that somebody else runs.
    pub external: External,
    /// Whether missing programs may be installed.
    pub install: Install,
}

/// The three services, running.
#[derive(Debug)]
pub struct Services {
    /// PostgreSQL, unless external.
    pub postgres: Option<Postgres>,
    /// Redis, unless external.
    pub redis: Option<Redis>,
    /// RabbitMQ, unless external.
    pub rabbit: Option<Rabbit>,
    external: External,
}

impl Services {
    /// Starts what is not external, all at the same time, and waits until it is ready.
    ///
    /// # Errors
    /// What is missing and how to install it, or what a server said when it did not start.
    pub fn start(home: &Home, plan: &Plan, interrupt: &Interrupt, say: Say<'_>) -> Result<Self> {
        let external = plan.external.clone();
        external.check(say)?;
        let programs = install::find_or_install(&external, plan.install, interrupt, say)?;
        let (postgres, redis, rabbit) = thread::scope(|scope| {
            let postgres = programs.postgres.map(|programs| {
                scope.spawn(move || Postgres::start(home, programs, plan.durability, interrupt, say))
            });
            let redis = programs
                .redis
                .map(|program| scope.spawn(move || Redis::start(home, program, interrupt, say)));
            let rabbit = programs
                .rabbit
                .map(|programs| scope.spawn(move || Rabbit::start(home, programs, interrupt, say)));
            (postgres.map(joined), redis.map(joined), rabbit.map(joined))
        });
        Ok(Self {
            postgres: postgres.transpose()?,
            redis: redis.transpose()?,
            rabbit: rabbit.transpose()?,
            external,
        })
    }

    /// The URL of a database; for an external server the one that was given, whatever the name.
    pub fn postgres_url(&self, database: &str) -> String {
        match &self.postgres {
            Some(postgres) => postgres.url(database),
            None => self.external.postgres.clone().unwrap_or_default(),
        }
    }

    /// The URL of Redis.
    pub fn redis_url(&self) -> String {
        self.redis.as_ref().map(Redis::url).or_else(|| self.external.redis.clone()).unwrap_or_default()
    }

    /// The URL of RabbitMQ.
    pub fn rabbit_url(&self) -> String {
        self.rabbit.as_ref().map(Rabbit::url).or_else(|| self.external.rabbit.clone()).unwrap_or_default()
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(anyhow!("starting a service panicked")))
}
