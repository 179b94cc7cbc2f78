//! A private Redis.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Home, Say, await_ready::await_ready};
use crate::{
    console,
    interrupt::Interrupt,
    process::{Managed, StopSignal},
};

/// A running Redis. It keeps nothing on disk: what it holds can be rebuilt from PostgreSQL, and a
/// restart is meant to show that.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    process: Managed,
}

impl Redis {
    /// Starts it, empty.
    ///
    /// # Errors
    /// What Redis said.
    pub fn start(home: &Home, program: PathBuf, interrupt: &Interrupt, say: Say<'_>) -> Result<Self> {
        let began = Instant::now();
        let dir = home.service_dir("redis")?;
        let port = home.port("redis", None)?;
        let process = launch(home, &program, &dir, port, interrupt)?;
        say(&format!("Redis on 127.0.0.1:{port} ({})", console::duration(began.elapsed())));
        Ok(Self { program, dir, port, process })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server process, for faults.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// Starts it again after [`Managed::kill`] or [`Managed::stop`], empty.
    ///
    /// # Errors
    /// What Redis said.
    pub fn restart(&mut self, home: &Home) -> Result<()> {
        self.process.stop()?;
        self.process = launch(home, &self.program, &self.dir, self.port, &Interrupt::never())?;
        Ok(())
    }
}

fn launch(home: &Home, program: &Path, dir: &Path, port: u16, interrupt: &Interrupt) -> Result<Managed> {
    let log = dir.join("log");
    let child = Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
        .args(["--save", "", "--appendonly", "no", "--enable-debug-command", "local"])
        .arg("--dir")
        .arg(dir)
        .arg("--logfile")
        .arg(&log)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let process = home.record("Redis", child.id(), &[StopSignal::Term], 10)?;
    await_ready("Redis", &process, &log, Duration::from_secs(20), interrupt, || ping(port))?;
    Ok(process)
}

fn ping(port: u16) -> Option<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (answer == *b"+PONG").then_some(())
}
