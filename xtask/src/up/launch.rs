//! Starting the programs of the platform, and watching them.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{endpoints::Endpoints, secrets::Secrets, settings::Addresses, state::State};
use crate::{
    cargo::Programs,
    console, http,
    interrupt::Interrupt,
    process::{StopSignal, run},
    services::{Home, tail},
};

/// What all roles together may take to become ready.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the parts are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often waiting is told of.
const REMIND_EVERY: Duration = Duration::from_secs(10);
/// Lines of a log shown when its process has ended.
const TAIL: usize = 40;

/// What is needed to start the platform.
pub(super) struct Platform<'a> {
    pub(super) programs: Programs,
    pub(super) root: PathBuf,
    pub(super) state: &'a State,
    pub(super) home: &'a Home,
    pub(super) addresses: &'a Addresses,
    pub(super) secrets: &'a Secrets,
}

impl<'a> Platform<'a> {
    fn marquee(&self) -> Command {
        let mut command = Command::new(&self.programs.marquee);
        command.arg("--config").arg(self.state.config()).current_dir(&self.root);
        command
    }

    /// Runs a command of `marquee` to its end.
    pub(super) fn command(&self, name: &str, interrupt: &Interrupt) -> Result<()> {
        let began = Instant::now();
        run(self.marquee().arg(name), interrupt)?;
        console::done(name, began.elapsed());
        Ok(())
    }

    /// Books one ticket; what it sees is printed.
    pub(super) fn smoke(&self, endpoints: &Endpoints, interrupt: &Interrupt) -> Result<()> {
        let mut command = self.marquee();
        command
            .arg("smoke")
            .args(["--graphql", &endpoints.graphql])
            .args(["--subscriptions", &endpoints.subscriptions])
            .args(["--sandbox", &endpoints.payment_sandbox]);
        run(&mut command, interrupt).with_context(|| {
            format!("the self-check failed; the logs in {} say more", self.state.log_dir().display())
        })
    }

    /// Starts the sandbox and all roles, and waits until every one is ready.
    pub(super) fn start(&self, interrupt: &Interrupt) -> Result<Running<'a>> {
        let mut sandbox = Command::new(&self.programs.paysim);
        sandbox
            .args(["--listen", &format!("127.0.0.1:{}", self.addresses.sandbox)])
            .args(["--webhook-url", &self.addresses.webhook()])
            .arg("--journal")
            .arg(self.state.journal())
            // Not as arguments, which every user of the machine can read.
            .env("PAYSIM_SECRET_KEY", &self.secrets.payment_secret_key)
            .env("PAYSIM_PUBLISHABLE_KEY", &self.secrets.payment_publishable_key)
            .env("PAYSIM_WEBHOOK_SECRET", &self.secrets.webhook_secret);
        let mut platform = self.marquee();
        let roles = self.addresses.roles();
        platform.args(["serve", "--roles", &roles.map(|(role, _)| role).join(",")]);

        let mut running = Running { home: self.home, parts: Vec::new() };
        running.parts.push(self.launch("paysim", &mut sandbox, 5)?);
        running.parts.push(self.launch("marquee", &mut platform, 30)?);
        running.await_ready("payment sandbox", self.addresses.sandbox, "/health", interrupt)?;
        for (role, port) in roles {
            running.await_ready(role, port, "/ready", interrupt)?;
        }
        Ok(running)
    }

    fn launch(&self, name: &'static str, command: &mut Command, grace_s: u64) -> Result<Part> {
        let log = self.state.log_dir().join(format!("{name}.log"));
        let output = fresh_log(&log)?;
        let child = command
            .current_dir(&self.root)
            // The logs are files.
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C must reach us only: the parts end in an order of our choice.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.home.record(name, child.id(), &[StopSignal::Term], grace_s)?;
        console::line(&format!("{name} started, log in {}", log.display()));
        Ok(Part { name, child, log })
    }
}

/// An empty log; the one of last time is kept beside it.
fn fresh_log(log: &Path) -> Result<File> {
    let last = log.with_extension("last.log");
    if log.exists() {
        fs::rename(log, &last)?;
    }
    File::create(log).with_context(|| format!("cannot write {}", log.display()))
}

struct Part {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// The running platform.
pub(super) struct Running<'a> {
    home: &'a Home,
    parts: Vec<Part>,
}

impl Running<'_> {
    /// Watches until a signal comes or something ends, which is an error with the end of its log.
    pub(super) fn watch(mut self, interrupt: &Interrupt) -> Result<()> {
        loop {
            interrupt.pause(TICK)?;
            self.check()?;
        }
    }

    /// An error when a part or a service has ended.
    fn check(&mut self) -> Result<()> {
        for part in &mut self.parts {
            if let Some(status) = part.child.try_wait()? {
                bail!("{} has ended ({status}); {}", part.name, tail(&part.log, TAIL));
            }
        }
        match self.home.first_dead() {
            Some(name) => {
                bail!("{name} has ended; its log is below {}", self.home.dir().join("services").display())
            }
            None => Ok(()),
        }
    }

    fn await_ready(&mut self, name: &str, port: u16, path: &str, interrupt: &Interrupt) -> Result<()> {
        let began = Instant::now();
        let mut reminded = began;
        loop {
            let answer = http::get(port, path);
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                console::done(&format!("{name} is ready on 127.0.0.1:{port}"), began.elapsed());
                return Ok(());
            }
            self.check()?;
            let says = match answer {
                Ok(answer) => format!("it says {} {}", answer.status, answer.body.trim()),
                Err(error) => error.to_string(),
            };
            if began.elapsed() > PATIENCE {
                let logs: Vec<_> = self.parts.iter().map(|part| tail(&part.log, TAIL)).collect();
                bail!("{name} is not ready after {} s: {says}\n{}", PATIENCE.as_secs(), logs.join("\n"));
            }
            if reminded.elapsed() > REMIND_EVERY {
                console::line(&format!("waiting for {name}: {says}"));
                reminded = Instant::now();
            }
            interrupt.pause(TICK)?;
        }
    }
}
