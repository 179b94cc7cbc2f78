//! The private PostgreSQL, Redis and RabbitMQ of a run, with real durability.

use std::path::Path;

use anyhow::{Result, anyhow};
use xtask::{
    interrupt::Interrupt,
    services::{Durability, Home, Postgres, Rabbit, Redis, Services, TemporaryHome},
};

use crate::measure::{Children, Process};

/// Running servers. Dropping them ends them, with everything else that was recorded at home.
#[derive(Debug)]
pub struct Servers {
    postgres: Postgres,
    redis: Redis,
    rabbit: Rabbit,
    home: TemporaryHome,
}

impl Servers {
    /// Starts them in `dir`, under a guard that ends them should this process be killed.
    ///
    /// # Errors
    /// What is missing, or why one of them does not start.
    pub fn start(dir: &Path, interrupt: &Interrupt) -> Result<std::sync::Arc<Self>> {
        let (services, home) = Services::start_temporary(dir, Durability::Safe, interrupt)?;
        let missing = || anyhow!("a server is not ours");
        Ok(std::sync::Arc::new(Self {
            postgres: services.postgres.ok_or_else(missing)?,
            redis: services.redis.ok_or_else(missing)?,
            rabbit: services.rabbit.ok_or_else(missing)?,
            home,
        }))
    }

    /// Where everything that is started is recorded.
    pub fn home(&self) -> &Home {
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
            children: if name == "postgres" { Children::All } else { Children::None },
        })
    }
}
