//! The steps.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{Fixture, Step};
use crate::{
    bench, cargo, console, deploy, faults,
    interrupt::Interrupt,
    process::{capture, run},
    schema, tidy,
};

/// What the steps share.
pub(super) struct Context<'a> {
    pub(super) root: PathBuf,
    pub(super) interrupt: &'a Interrupt,
    pub(super) arguments: &'a [String],
}

impl Context<'_> {
    /// Takes one step.
    pub(super) fn take(&self, step: Step) -> Result<()> {
        match step {
            Step::Fmt => self.cargo(&["fmt", "--all", "--check"]),
            Step::Tidy => tidy::run(&self.root),
            Step::Deploy => deploy::run(&self.root, self.interrupt),
            Step::Clippy => {
                self.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
                // And what only builds for tests have.
                let all = ["clippy", "--workspace", "--all-targets"];
                self.cargo(&[&all[..], &faults::FEATURES, &["--", "--deny", "warnings"]].concat())
            }
            Step::Schema => schema::run(true, &self.root),
            Step::Tests => self.tests(),
            Step::Doc => self.cargo(&["test", "--workspace", "--doc"]),
            Step::Bench => bench::short(&self.root, self.interrupt),
            Step::Faults => faults::short(&self.root, self.interrupt),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        run(cargo::command(&self.root).args(arguments), self.interrupt)
    }

    fn tests(&self) -> Result<()> {
        // The public audit of the gateway's endpoint is one of the tests.
        schema::install(&self.root.join("gateway/tests/audit"), self.interrupt)?;
        // Before the services: the longest part, and they need not wait for it.
        let programs = cargo::build(&self.root, cargo::DEVELOPMENT, self.interrupt)?;
        let fixture = Fixture::start(self.interrupt)?;
        let mut command = self.runner();
        fixture.apply(&programs, &mut command);
        run(&mut command, self.interrupt)?;
        // As the fault harness is built: one package alone would get dependencies of its own.
        self.cargo(&[&["test", "--workspace", "--test", "faults"][..], &faults::FEATURES].concat())
    }

    /// nextest, which runs each test in a process of its own; without it, cargo's own runner.
    fn runner(&self) -> Command {
        let mut command = cargo::command(&self.root);
        if capture(cargo::command(&self.root).args(["nextest", "--version"])).is_ok() {
            command.args(["nextest", "run", "--workspace"]).args(self.arguments);
        } else {
            console::line("cargo-nextest is not installed; using cargo test");
            command.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
            if !self.arguments.is_empty() {
                command.arg("--").args(self.arguments);
            }
        }
        command
    }
}
