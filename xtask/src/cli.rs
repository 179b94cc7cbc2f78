//! The commands.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{bench, down, faults, guard, schema, test, tidy, up, workspace};

/// The automation of Marquee.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole platform on this machine, with private PostgreSQL, Redis and RabbitMQ.
    Up(up::Options),
    /// End what `up` started.
    Down(down::Options),
    /// Check everything: format, lints, structure, schemas, tests against real services.
    Test(test::Options),
    /// Break the platform on purpose, and check that it keeps its promises.
    #[command(disable_help_flag = true)]
    Faults(faults::Options),
    /// Compare the platform with the raw limits of this machine.
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Start services for tests and keep them, for running single tests by hand.
    Services,
    /// Compose the schemas into `schema/`.
    Schema {
        /// Change nothing; fail when a file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Check the structure of the code: crate edges, layers, file sizes.
    Tidy,
    /// Clear up after a command that was killed.
    #[command(hide = true)]
    Guard { dir: PathBuf },
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, for the person at the terminal.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Up(options) => up::run(&options),
            Command::Down(options) => down::run(&options),
            Command::Test(options) => test::run(&options),
            Command::Faults(options) => faults::run(&options),
            Command::Bench(options) => bench::run(&options),
            Command::Services => test::serve(),
            Command::Schema { check } => schema::run(check, &workspace::root()),
            Command::Tidy => tidy::run(&workspace::root()),
            Command::Guard { dir } => guard::run(&dir),
        }
    }
}
