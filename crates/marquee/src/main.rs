//! `marquee`: every role of the platform, and the commands to operate it, in one binary.
#![recursion_limit = "256"]

mod audit;
mod cli;
mod commands;
mod config;
mod dlq;
mod keys;
mod mails;
mod reconcile;
mod serve;
mod smoke;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// Answering a query is hundreds of small allocations, made on one thread and freed on another: a sixth of
/// the time of a gateway went to those of libc.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Start-up problems go to the person at the terminal, all causes in one line each.
#[expect(clippy::print_stderr, reason = "the last word of a command belongs on stderr")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("marquee: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}
