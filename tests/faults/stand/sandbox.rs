//! The payment sandbox of a round.

use std::{fs::File, path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use xtask::process::{Managed, StopSignal};

use super::{config::WEBHOOK_SECRET, servers::Servers};

const START_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A running `paysim`. It is never killed: a provider that forgets is none.
#[derive(Debug)]
pub struct Sandbox {
    base: String,
    http: reqwest::Client,
    child: Child,
    process: Managed,
}

impl Sandbox {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(
        program: &Path,
        port: u16,
        webhook: &str,
        log: &Path,
        servers: &Arc<Servers>,
        http: reqwest::Client,
    ) -> Result<Self> {
        let output = File::create(log)?;
        let child = Command::new(program)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--webhook-url", webhook])
            .args(["--webhook-secret", WEBHOOK_SECRET])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("the sandbox ended at once")?;
        let process = servers.home().record("paysim", pid, &[StopSignal::Term], 5)?;
        let sandbox = Self { base: format!("http://127.0.0.1:{port}"), http, child, process };
        let deadline = Instant::now() + START_WITHIN;
        while sandbox.http.get(sandbox.behaviour_url()).send().await.is_err() {
            ensure!(Instant::now() < deadline, "the sandbox does not answer");
            sleep(ASK_EVERY).await;
        }
        Ok(sandbox)
    }

    /// Its root address.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn behaviour_url(&self) -> String {
        format!("{}/sandbox/behaviour", self.base)
    }

    /// Sets how it misbehaves from now on; what is not named stays.
    ///
    /// # Errors
    /// When it does not understand.
    pub async fn misbehave(&self, behaviour: &Value) -> Result<()> {
        let answer = self.http.post(self.behaviour_url()).json(behaviour).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// It behaves well again.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn behave(&self) -> Result<()> {
        self.http.delete(self.behaviour_url()).send().await?.error_for_status()?;
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the record of processes cannot be written.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        self.process.stop()
    }
}
