//! The steps.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{Fixture, Step};
use crate::{
    cargo, console, faults,
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
            Step::Tidy => {
                tidy::run(&self.root)?;
                self.compose()
            }
            Step::Clippy => {
                self.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
                // And what only builds for tests have.
                self.cargo(&["clippy", "--package=marquee", "--features=faults", "--", "--deny", "warnings"])
            }
            Step::Schema => schema::run(true, &self.root),
            Step::Tests => self.tests(),
            Step::Doc => self.cargo(&["test", "--workspace", "--doc"]),
            Step::Faults => faults::short(&self.root, self.interrupt),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        run(cargo::command(&self.root).args(arguments), self.interrupt)
    }

    /// Whether Docker understands `compose.yaml`, where there is a Docker to ask.
    fn compose(&self) -> Result<()> {
        let compose = |arguments: &[&str]| {
            let mut command = Command::new("docker");
            command.current_dir(&self.root).arg("compose").args(arguments);
            command
        };
        if capture(&mut compose(&["version"])).is_err() {
            console::line("compose.yaml is not checked: there is no `docker compose` here");
            return Ok(());
        }
        run(&mut compose(&["--profile", "platform", "config", "--quiet"]), self.interrupt)
    }

    fn tests(&self) -> Result<()> {
        // Before the services: the longest part, and they need not wait for it.
        let programs = cargo::build(&self.root, &[], self.interrupt)?;
        let fixture = Fixture::start(self.interrupt)?;
        let mut command = self.runner();
        fixture.apply(&programs, &mut command);
        run(&mut command, self.interrupt)?;
        self.cargo(&["test", "--package=platform", "--features=faults", "--lib", "faults"])
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
