//! `cargo xtask`: the automation of this repository.

use std::process::ExitCode;

use clap::Parser;
use xtask::{cli::Cli, console, interrupt::Interrupted};

/// What shells report for a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Err(error) = Cli::parse().run() else { return ExitCode::SUCCESS };
    if error.is::<Interrupted>() {
        console::plain("interrupted; everything that was started has ended");
        return ExitCode::from(INTERRUPTED);
    }
    console::error(&error);
    ExitCode::FAILURE
}
