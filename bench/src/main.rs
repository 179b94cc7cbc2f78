//! Benchmarks: each scenario runs the platform and the raw limit of what lies under it in turn, on
//! the same servers and in the same minutes, and reports the ratio. See the README beside this
//! folder; `cargo xtask bench` builds what is needed and runs this.

mod cli;
mod load;
mod measure;
mod open_files;
mod raw;
mod report;
mod run;
mod scenario;
mod stand;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser;
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};
use xtask::{
    console, guard,
    interrupt::{Interrupt, Interrupted},
};

use cli::{Cli, Command, Options};

/// What shells report for a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// How often it is looked whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let Cli { command, options } = Cli::parse();
    let outcome = match command {
        Some(Command::Guard { dir }) => guard::run(&dir),
        Some(Command::Raw(options)) => runtime(2).and_then(|runtime| runtime.block_on(raw::serve(&options))),
        None => play(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn runtime(threads: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

fn play(options: &Options) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    // One thread makes the load: on a small machine each further one takes time from the servers.
    runtime(1)?.block_on(async {
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
