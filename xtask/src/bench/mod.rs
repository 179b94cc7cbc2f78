//! `cargo xtask bench`: builds the platform as it is shipped, and lets the program `bench` compare it
//! with the raw limits of this machine.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::Result;

use crate::{cargo, console, down, interrupt::Interrupt, process::run as run_command, workspace};

/// What the program `bench` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// See `cargo xtask bench --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// A little of everything.
const SHORT: [&str; 3] = ["--quick", "--pairs", "1"];

/// Builds, and runs the scenarios that are asked for.
///
/// # Errors
/// When the build fails, or an answer was wrong.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    console::heading("Build, as it is shipped");
    play(&workspace::root(), cargo::RELEASE, &options.arguments, &interrupt)
}

/// Whether each scenario works, with what the tests have built already: no figure of it means anything.
///
/// # Errors
/// As [`run`].
pub(crate) fn short(root: &Path, interrupt: &Interrupt) -> Result<()> {
    play(root, cargo::DEVELOPMENT, &SHORT.map(OsString::from), interrupt)
}

fn play(root: &Path, profile: &[&str], arguments: &[OsString], interrupt: &Interrupt) -> Result<()> {
    let names = ["marquee", "paysim", "bench"];
    let [marquee, paysim, bench] = cargo::build_named(root, names, profile, interrupt)?;
    down::clear_tests(&workspace::state_dir())?;
    let mut command = Command::new(bench);
    command.args(arguments).env("MARQUEE_BIN", marquee).env("PAYSIM_BIN", paysim);
    run_command(&mut command, interrupt)
}
