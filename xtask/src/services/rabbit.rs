//! A private RabbitMQ.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Home, RabbitPrograms, Say, await_ready::await_ready};
use crate::{
    console,
    interrupt::Interrupt,
    process::{Managed, StopSignal},
    random,
};

/// The node's name; its own name server makes it unique enough.
const NODE: &str = "marquee@localhost";

/// Least version: at-least-once dead-lettering of quorum queues came with it.
const AT_LEAST: (u32, u32) = (3, 10);

/// A running RabbitMQ, with the user `guest` on the virtual host `/`.
#[derive(Debug)]
pub struct Rabbit {
    programs: RabbitPrograms,
    dir: PathBuf,
    ports: RabbitPorts,
    process: Managed,
}

#[derive(Clone, Copy, Debug)]
struct RabbitPorts {
    amqp: u16,
    /// Between nodes and command-line tools.
    distribution: u16,
    /// Erlang's name server.
    epmd: u16,
}

impl Rabbit {
    /// Starts it, with the queues of last time.
    ///
    /// # Errors
    /// What RabbitMQ said.
    pub fn start(home: &Home, programs: RabbitPrograms, interrupt: &Interrupt, say: Say<'_>) -> Result<Self> {
        let began = Instant::now();
        let dir = home.service_dir("rabbit")?;
        let ports = RabbitPorts {
            amqp: home.port("rabbit", None)?,
            distribution: home.port("rabbit-distribution", None)?,
            epmd: home.port("rabbit-epmd", None)?,
        };
        write_settings(&dir, ports)?;
        if let Some(epmd) = &programs.epmd {
            launch_epmd(home, epmd, ports.epmd)?;
        }
        let (process, version) = launch(home, &programs, &dir, ports, interrupt)?;
        say(&format!(
            "RabbitMQ {version} on 127.0.0.1:{} ({})",
            ports.amqp,
            console::duration(began.elapsed())
        ));
        Ok(Self { programs, dir, ports, process })
    }

    /// Its URL, on the default virtual host.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// The AMQP port.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The server process, for faults.
    pub fn process(&self) -> &Managed {
        &self.process
    }

    /// Starts it again after [`Managed::kill`] or [`Managed::stop`], with its queues.
    ///
    /// # Errors
    /// What RabbitMQ said.
    pub fn restart(&mut self, home: &Home) -> Result<()> {
        self.process.stop()?;
        let (process, _) = launch(home, &self.programs, &self.dir, self.ports, &Interrupt::never())?;
        self.process = process;
        Ok(())
    }
}

fn write_settings(dir: &Path, ports: RabbitPorts) -> Result<()> {
    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         log.file.level = info\n\
         log.console = false\n\
         disk_free_limit.absolute = 100MB\n\
         vm_memory_high_watermark.relative = 0.3\n",
        ports.amqp
    );
    fs::write(dir.join("rabbitmq.conf"), settings)?;
    // No plugins: none is needed, and each costs a second at start.
    fs::write(dir.join("enabled_plugins"), "[].\n")?;
    let cookie = dir.join(".erlang.cookie");
    if !cookie.exists() {
        fs::write(&cookie, random::token("")?)?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
    }
    Ok(())
}

/// Erlang starts its name server by itself, as a daemon that outlives everything; one that is
/// running already keeps it from doing so.
fn launch_epmd(home: &Home, program: &Path, port: u16) -> Result<()> {
    let child = Command::new(program)
        .args(["-port", &port.to_string(), "-address", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    home.record("epmd", child.id(), &[StopSignal::Term], 5)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while connect(port).is_none() {
        ensure!(Instant::now() < deadline, "Erlang's name server (epmd) does not start on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn launch(
    home: &Home,
    programs: &RabbitPrograms,
    dir: &Path,
    ports: RabbitPorts,
    interrupt: &Interrupt,
) -> Result<(Managed, String)> {
    let output_file = dir.join("output");
    let output = fs::File::create(&output_file)?;
    // Quorum queues need many open files, and many systems give a process 1,024.
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 65536 2>/dev/null || ulimit -n \"$(ulimit -Hn)\"; exec \"$0\""])
        .arg(&programs.server)
        .env("HOME", dir)
        .env("LC_ALL", "C.UTF-8")
        .env("ERL_EPMD_PORT", ports.epmd.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_BASE", dir)
        .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_SCHEMA_DIR", dir.join("schema"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", dir.join("generated"))
        .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", dir.join("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
        // The machine's own RabbitMQ may be configured there; it is not our business.
        .env("RABBITMQ_CONF_ENV_FILE", dir.join("none.conf"))
        .env("RABBITMQ_PID_FILE", dir.join("pid"))
        // With "input allowed" the script becomes the server instead of waiting for it, so that
        // the pid is the server's; without input, since there is none.
        .env("RABBITMQ_ALLOW_INPUT", "true")
        .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            // Loopback only. Schedulers that wait do not spin: there are other servers here.
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
        )
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", programs.server.display()))?;
    let process = home.record("RabbitMQ", child.id(), &[StopSignal::Term], 20)?;
    let patience = Duration::from_secs(120);
    let version = await_ready("RabbitMQ", &process, &output_file, patience, interrupt, || greet(ports.amqp))?;
    ensure!(
        number(&version).is_some_and(|version| version >= AT_LEAST),
        "RabbitMQ {version} is too old: {}.{} is the least",
        AT_LEAST.0,
        AT_LEAST.1
    );
    Ok((process, version))
}

fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
}

/// Says hello in AMQP 0-9-1; the server's version, which its first frame tells.
fn greet(port: u16) -> Option<String> {
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
    let mut frame = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        frame.extend_from_slice(piece.get(..read)?);
        if let Some(version) = version(&frame) {
            return Some(version);
        }
    }
}

/// The value of `version` in the server properties: a field table has the name, `S` for a long
/// string, its length in four bytes, and the text (AMQP 0-9-1, 4.2.5).
fn version(frame: &[u8]) -> Option<String> {
    let mark = b"\x07versionS";
    let at = frame.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let length = u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?);
    let text = frame.get(at + 4..at + 4 + usize::try_from(length).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_first_frame() {
        let frame = b"...\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8...";
        assert_eq!(version(frame).as_deref(), Some("3.10.8"));
        assert_eq!(version(b"\x07versionS\x00\x00\x00\x063.1"), None, "not all of it is here yet");
        assert!(number("3.9.1").unwrap() < AT_LEAST);
        assert!(number("4.0.2").unwrap() > AT_LEAST);
    }
}
