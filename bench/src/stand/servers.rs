//! The private PostgreSQL, Redis and RabbitMQ of a run, with real durability.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use xtask::{
    console,
    guard::Guard,
    interrupt::Interrupt,
    process,
    services::{Durability, External, Home, Install, Plan, Postgres, Rabbit, Redis, Services, remove_data},
};

use crate::measure::Process;

/// Running servers. Dropping them ends them, with everything else that was recorded at home.
#[derive(Debug)]
pub struct Servers {
    postgres: Postgres,
    redis: Redis,
    rabbit: Rabbit,
    home: Home,
    // Dropped after the home, which ends the servers.
    _data: Data,
    _guard: Guard,
}

/// Removes the folder at the end.
#[derive(Debug)]
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = remove_data(&self.0) {
            console::line(&format!("{error:#}"));
        }
    }
}

impl Servers {
    /// Starts them in `dir`, under a guard that ends them should this process be killed.
    ///
    /// # Errors
    /// What is missing, or why one of them does not start.
    pub fn start(dir: &Path, interrupt: &Interrupt) -> Result<std::sync::Arc<Self>> {
        process::claim(dir)?;
        let guard = Guard::start(dir)?;
        let data = Data(dir.to_owned());
        let home = Home::open(dir)?;
        let plan = Plan {
            durability: Durability::Safe,
            external: External::default(),
            install: Install::WhenPermitted,
        };
        let services = Services::start(&home, &plan, interrupt, &console::line)?;
        let missing = || anyhow!("a server is not ours");
        Ok(std::sync::Arc::new(Self {
            postgres: services.postgres.ok_or_else(missing)?,
            redis: services.redis.ok_or_else(missing)?,
            rabbit: services.rabbit.ok_or_else(missing)?,
            home,
            _data: data,
            _guard: guard,
        }))
    }

    /// Where everything that is started is recorded.
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// The folder of the run.
    pub fn dir(&self) -> &Path {
        self.home.dir()
    }

    /// Makes a database; its URL.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.postgres.create_database(name)?;
        Ok(self.postgres.url(name))
    }

    /// The URL of a database.
    pub fn postgres_url(&self, name: &str) -> String {
        self.postgres.url(name)
    }

    /// The URL of Redis.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// The port of Redis.
    pub fn redis_port(&self) -> u16 {
        self.redis.port()
    }

    /// The URL of RabbitMQ.
    pub fn rabbit_url(&self) -> String {
        self.rabbit.url()
    }

    /// What is measured of them.
    pub fn processes(&self) -> [Process; 3] {
        let processes = [
            ("postgres", self.postgres.process()),
            ("redis", self.redis.process()),
            ("rabbitmq", self.rabbit.process()),
        ];
        processes.map(|(name, process)| Process {
            name: name.to_owned(),
            pid: process.identity().pid,
            with_children: name == "postgres",
        })
    }
}
