//! `cargo xtask up`: the whole platform on this machine, after one command.

mod detach;
mod endpoints;
mod launch;
mod secrets;
mod settings;
pub(crate) mod state;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{
    cargo, console,
    guard::Guard,
    interrupt::{Interrupt, Interrupted},
    process,
    services::{Durability, External, Home, Install, Plan, Services},
    workspace,
};
use endpoints::Endpoints;
use launch::Platform;
use secrets::Secrets;
use settings::{Addresses, Settings};
use state::State;

/// The file in the state folder that names all addresses while everything is ready.
pub const ENDPOINTS: &str = "endpoints.json";

/// How `up` is to work.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Build with optimisations: slower to build, much faster to run.
    #[arg(long)]
    release: bool,
    /// Come back as soon as everything is ready, and leave it running until `cargo xtask down`.
    #[arg(long)]
    detach: bool,
    /// Do not book a ticket as a self-check.
    #[arg(long)]
    no_smoke: bool,
    /// This is the process behind `--detach`.
    #[arg(long, hide = true)]
    background: bool,
}

/// Brings the platform up and keeps it until a signal comes or a part of it ends.
///
/// # Errors
/// What did not work, and where to read on.
pub fn run(options: &Options) -> Result<()> {
    let state = State::new(workspace::state_dir())?;
    if options.detach {
        return detach::run(options, &state);
    }
    let Some(_lock) = state.lock()? else { return already_running(&state) };
    let interrupt = Interrupt::catch()?;
    // From a run that was killed.
    Endpoints::remove(&state)?;
    process::claim(state.dir())?;
    let guard = Guard::start(state.dir())?;
    let home = Home::open(state.dir())?;

    let outcome = serve(options, &state, &home, &interrupt);
    Endpoints::remove(&state)?;
    console::heading("Stopping");
    home.stop_all()?;
    drop(guard);
    match outcome {
        // Asked to end after it was ready: that is how a good run ends.
        Ok(Ended::OnRequest) => {
            console::line("everything has ended");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// How serving ended, when it ended well.
enum Ended {
    OnRequest,
}

fn serve(options: &Options, state: &State, home: &Home, interrupt: &Interrupt) -> Result<Ended> {
    let began = Instant::now();
    let root = workspace::root();

    console::heading("Services");
    let external = External::from_env();
    let plan = Plan { durability: Durability::Safe, external, install: Install::WhenPermitted };
    let services = Services::start(home, &plan, interrupt, &console::line)?;
    if let Some(postgres) = &services.postgres {
        postgres.create_database("marquee")?;
    }
    let addresses = Addresses::choose(home)?;
    let secrets = Secrets::load_or_make(state)?;
    let settings =
        Settings { addresses: &addresses, secrets: &secrets, services: &services, state, root: &root };
    settings.write()?;

    console::heading("Build");
    let programs = cargo::build(&root, cargo::profile(options.release), interrupt)?;

    let platform = Platform { programs, root, state, home, addresses: &addresses, secrets: &secrets };
    console::heading("Database");
    platform.command("migrate", interrupt)?;
    platform.command("seed", interrupt)?;
    console::heading("Platform");
    let running = platform.start(interrupt)?;
    let endpoints = Endpoints::new(&addresses, state);
    if !options.no_smoke {
        console::heading("Self-check: one ticket, as a customer books it");
        platform.smoke(&endpoints, interrupt)?;
    }
    console::heading(&format!("Marquee is up ({})", console::duration(began.elapsed())));
    endpoints.print();
    let end = if options.background { "`cargo xtask down`" } else { "Ctrl-C" };
    console::plain(&format!("\n    {end} ends it, and everything it started."));
    // The sign to programs that all is ready.
    endpoints.write(state)?;

    match running.watch(interrupt) {
        Err(error) if error.is::<Interrupted>() => Ok(Ended::OnRequest),
        Err(error) => Err(error),
        Ok(()) => bail!("a part of the platform ended"),
    }
}

/// Another `up` is at work: waits until it is ready, and says where everything is.
fn already_running(state: &State) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let mut said = false;
    loop {
        if let Some(endpoints) = Endpoints::read(state)? {
            console::heading("Marquee is up already");
            endpoints.print();
            console::plain("\n    `cargo xtask down` ends it.");
            return Ok(());
        }
        if state.lock()?.is_some() {
            bail!("the `cargo xtask up` that was starting has ended; its output says why");
        }
        if !said {
            console::line("another `cargo xtask up` is starting; waiting for it");
            said = true;
        }
        interrupt.pause(state::TICK)?;
    }
}
