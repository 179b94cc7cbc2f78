//! Where the servers of this run are.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};

/// Addresses of the private servers and paths of the built programs.
#[derive(Debug, Clone)]
pub struct Services {
    /// PostgreSQL, as a user who may create databases.
    pub postgres: String,
    /// Redis.
    pub redis: String,
    /// RabbitMQ.
    pub rabbit: String,
    /// The `marquee` binary.
    pub marquee: PathBuf,
    /// The `paysim` binary.
    pub paysim: PathBuf,
}

impl Services {
    /// Reads them from the environment that `cargo xtask test` sets.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            postgres: variable("MARQUEE_TEST_PG_URL")?,
            redis: variable("MARQUEE_TEST_REDIS_URL")?,
            rabbit: variable("MARQUEE_TEST_AMQP_URL")?,
            marquee: variable("MARQUEE_BIN")?.into(),
            paysim: variable("PAYSIM_BIN")?.into(),
        })
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: run these tests with `cargo xtask test`"))
}
