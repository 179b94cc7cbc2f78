//! `cargo xtask faults`: builds a platform that can be broken on purpose, and lets the program
//! `faults` of the crate `tests` break it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{cargo, console, down, interrupt::Interrupt, process::run as run_command, workspace};

/// With failpoints, mutants and a clock that can be moved.
pub(crate) const FEATURES: [&str; 2] = ["--features", "marquee/faults"];
/// So many rounds have each kind of fault at least once.
const SHORT: [&str; 4] = ["--rounds", "9", "--seed", "20261121"];

/// How the program `faults` is built, and what it is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Optimized, as the platform is shipped. Comes before all others.
    #[arg(long)]
    release: bool,
    /// See `cargo xtask faults --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds, and runs as many rounds as asked for.
///
/// # Errors
/// When the build fails, or a promise was broken.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    play(&workspace::root(), cargo::profile(options.release), &options.arguments, &interrupt)
}

/// A few rounds with each kind of fault, always the same.
///
/// # Errors
/// As [`run`].
pub(crate) fn short(root: &Path, interrupt: &Interrupt) -> Result<()> {
    play(root, cargo::DEVELOPMENT, &SHORT.map(OsString::from), interrupt)
}

fn play(root: &Path, profile: &[&str], arguments: &[OsString], interrupt: &Interrupt) -> Result<()> {
    console::heading("Build, with the feature `faults`");
    let names = ["marquee", "paysim", "faults"];
    let [marquee, paysim, faults] =
        cargo::build_named(root, names, &[&FEATURES, profile].concat(), interrupt)?;
    let marquee = set_apart(&marquee)?;
    down::clear_tests(&workspace::state_dir())?;
    let mut command = Command::new(faults);
    command.args(arguments).env("MARQUEE_BIN", marquee).env("PAYSIM_BIN", paysim);
    run_command(&mut command, interrupt)
}

/// Copies the program to a folder of its own: where cargo puts it, the next build without the
/// feature replaces it, and nobody should mistake it for that one.
fn set_apart(program: &Path) -> Result<PathBuf> {
    let target = program.ancestors().nth(2).context("the program is in no target folder")?;
    let dir = target.join("faults");
    fs::create_dir_all(&dir)?;
    let (copy, draft) = (dir.join("marquee"), dir.join("marquee.new"));
    fs::copy(program, &draft).and_then(|_| fs::rename(&draft, &copy)).context("cannot copy the program")?;
    Ok(copy)
}
