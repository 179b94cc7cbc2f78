//! `cargo xtask test`: everything that must hold before a change is merged.

mod steps;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{
    cargo::Programs,
    console, down,
    interrupt::Interrupt,
    services::{Durability, Services, TemporaryHome},
    workspace,
};
use steps::Context as StepContext;

/// What to check, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only these steps.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Step>,
    /// All steps except these.
    #[arg(long, value_delimiter = ',', conflicts_with = "only")]
    skip: Vec<Step>,
    /// Further arguments for the test runner, such as the name of a test.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A step, in the order in which they are taken: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// `cargo fmt --check`
    Fmt,
    /// `cargo xtask tidy`
    Tidy,
    /// Rules of alerts, their tests, dashboards, runbooks, and `compose.yaml`.
    Deploy,
    /// `cargo clippy` with warnings denied.
    Clippy,
    /// `cargo xtask schema --check`
    Schema,
    /// Unit tests and journeys, against private services.
    Tests,
    /// Examples in the documentation.
    Doc,
    /// Whether each scenario of `cargo xtask bench` works; no time is asserted.
    Bench,
    /// A short `cargo xtask faults`.
    Faults,
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "Format",
            Self::Tidy => "Tidy: edges, layers, sizes",
            Self::Deploy => "What is watched is told, and alerts work",
            Self::Clippy => "Clippy, warnings denied",
            Self::Schema => "Schemas are up to date",
            Self::Tests => "Tests, against private services",
            Self::Doc => "Examples in the documentation",
            Self::Bench => "The benchmarks work",
            Self::Faults => "Nothing sold twice, nothing lost, whatever breaks",
        }
    }
}

/// Takes the steps; the first failure ends it.
///
/// # Errors
/// The step that failed.
pub fn run(options: &Options) -> Result<()> {
    let began = Instant::now();
    let interrupt = Interrupt::catch()?;
    let context =
        StepContext { root: workspace::root(), interrupt: &interrupt, arguments: &options.arguments };
    let chosen: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| options.only.is_empty() || options.only.contains(step))
        .filter(|step| !options.skip.contains(step))
        .collect();
    let mut times = Vec::new();
    for step in chosen {
        console::heading(step.title());
        let step_began = Instant::now();
        context.take(step).with_context(|| format!("the step `{}` failed", name(step)))?;
        console::done(name(step), step_began.elapsed());
        times.push((step, step_began.elapsed()));
    }
    console::heading(&format!("All steps passed ({})", console::duration(began.elapsed())));
    for (step, took) in times {
        console::line(&format!("{:<8} {:>12}", name(step), console::duration(took)));
    }
    Ok(())
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Fmt => "fmt",
        Step::Tidy => "tidy",
        Step::Deploy => "deploy",
        Step::Clippy => "clippy",
        Step::Schema => "schema",
        Step::Tests => "tests",
        Step::Doc => "doc",
        Step::Bench => "bench",
        Step::Faults => "faults",
    }
}

/// `cargo xtask services`: services for tests, until Ctrl-C.
///
/// # Errors
/// When they do not start, or one of them ends.
pub fn serve() -> Result<()> {
    let interrupt = Interrupt::catch()?;
    console::heading("Services for tests");
    let fixture = Fixture::start(&interrupt)?;
    console::plain("\n    Use them from another terminal:\n");
    for (name, value) in fixture.variables() {
        console::plain(&format!("export {name}='{value}'"));
    }
    console::plain(
        "\n    The journeys also need MARQUEE_BIN and PAYSIM_BIN, the paths of the built programs.\n    \
         Ctrl-C ends the services and removes their data.",
    );
    loop {
        if let Some(name) = fixture.home.first_dead() {
            anyhow::bail!("{name} has ended");
        }
        if interrupt.pause(std::time::Duration::from_millis(300)).is_err() {
            return Ok(());
        }
    }
}

/// The services of one run, in a folder of its own, so that runs do not meet.
struct Fixture {
    services: Services,
    home: TemporaryHome,
}

impl Fixture {
    fn start(interrupt: &Interrupt) -> Result<Self> {
        let state = workspace::state_dir();
        down::clear_tests(&state)?;
        let dir = state.join(format!("test-{}", std::process::id()));
        let (services, home) = Services::start_temporary(&dir, Durability::Fast, interrupt)?;
        Ok(Self { services, home })
    }

    /// What tests read.
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("MARQUEE_TEST_PG_URL", self.services.postgres_url("postgres")),
            ("MARQUEE_TEST_REDIS_URL", self.services.redis_url()),
            ("MARQUEE_TEST_AMQP_URL", self.services.rabbit_url()),
            ("MARQUEE_TEST_DIR", self.home.dir().display().to_string()),
        ]
    }

    fn apply(&self, programs: &Programs, command: &mut std::process::Command) {
        command
            .envs(self.variables())
            .env("MARQUEE_BIN", &programs.marquee)
            .env("PAYSIM_BIN", &programs.paysim);
        // They have the last word over any configuration, also that of the processes under test.
        for name in ["DATABASE_URL", "REDIS_URL", "AMQP_URL"] {
            command.env_remove(name);
        }
    }
}
