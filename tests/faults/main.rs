//! Faults on purpose, and a checker that decides whether the platform kept its promises. See the
//! README beside this file; `cargo xtask faults` builds what is needed and runs this.

mod actors;
mod checker;
mod cli;
mod history;
mod mutants;
mod nemesis;
mod observe;
mod observed;
mod report;
mod round;
mod run;
mod stand;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser;
use tokio::{runtime::Runtime, time::sleep};
use tracing_subscriber::EnvFilter;
use xtask::{
    console, guard,
    interrupt::{Interrupt, Interrupted},
};

use cli::{Cli, Command, Options};

/// What shells report for a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// How often it is looked whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let Cli { command, options } = Cli::parse();
    // Silent unless asked: `RUST_LOG=faults=debug`.
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();
    let outcome = match command {
        Some(Command::Guard { dir }) => guard::run(&dir).map(|()| true),
        None => play(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as it should.
fn play(options: &Options) -> Result<bool> {
    let interrupt = Interrupt::catch()?;
    // However this ends: the runtime goes first and kills the processes of a round, then the
    // servers go with the last who knows them.
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = run::run(options, &interrupt) => outcome,
            () = raised(&interrupt) => Err(Interrupted.into()),
        }
    })
}

async fn raised(interrupt: &Interrupt) {
    while !interrupt.is_raised() {
        sleep(LOOK_EVERY).await;
    }
}
