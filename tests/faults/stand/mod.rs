//! The platform of a round: several processes of each kind, on private servers, with a proxy in
//! every link.

mod config;
mod database;
mod node;
mod probe;
mod proxy;
mod sandbox;
mod servers;
mod template;
mod topology;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use ::tests::ports;
use anyhow::{Context, Result, anyhow, ensure};
use futures::future::join_all;
use tokio::{
    process::Command,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use node::{Death, Node, Role};
pub use probe::{PATIENCE as PROBED_FOR, Probe};
pub use proxy::{Link, Mode};
pub use sandbox::Sandbox;
pub use servers::Servers;
pub use template::{MANAGER, Template};
pub use topology::{CLIENTS, PROCESSES, Peer, WEBHOOKS, link, links, peers};

use crate::actors::{RabbitTarget, Target};
pub use config::CLAIM_TTL_SECONDS;
use config::{HEARTBEAT_MS, Names, Places, RETRY_DELAYS_MS};
use node::Launch;

const START_WITHIN: Duration = Duration::from_secs(60);
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
const LOG_TAIL: usize = 30;

/// What all rounds of a run share.
#[derive(Debug)]
pub struct Bench {
    /// The servers.
    pub servers: Arc<Servers>,
    /// `marquee`, built with the feature `faults`.
    pub marquee: PathBuf,
    /// `paysim`.
    pub paysim: PathBuf,
    /// The workspace.
    pub root: PathBuf,
    /// Where rounds keep their files.
    pub dir: PathBuf,
    /// For requests that are not part of the test.
    pub http: reqwest::Client,
}

/// What is one round's own.
#[derive(Debug, Clone)]
pub struct Round {
    /// Unique in the run; letters, digits and `_`.
    pub label: String,
    /// Its database.
    pub database: String,
    /// The deliberate bug that the platform has.
    pub mutant: Option<&'static str>,
    /// How long a claim goes on at most whose payment may have been made.
    pub claim_limit_seconds: u32,
}

/// A running platform.
#[derive(Debug)]
pub struct Stand {
    bench: Arc<Bench>,
    names: Names,
    dir: PathBuf,
    nodes: Vec<Arc<Node>>,
    links: BTreeMap<String, Link>,
    sandbox: Sandbox,
    stop: DropGuard,
    supervisors: Vec<JoinHandle<Result<()>>>,
}

/// Where everything listens, chosen before anything does.
struct Ports {
    /// By process; catalog's is that of the role `catalog`.
    processes: BTreeMap<&'static str, u16>,
    user: u16,
    sandbox: u16,
}

impl Ports {
    fn pick() -> Self {
        let processes = PROCESSES.iter().map(|(name, _)| (*name, ports::free())).collect();
        Self { processes, user: ports::free(), sandbox: ports::free() }
    }

    fn of(&self, name: &str) -> u16 {
        self.processes.get(name).copied().unwrap_or_default()
    }

    fn all(&self, role: Role) -> Vec<u16> {
        PROCESSES.iter().filter(|(_, of)| *of == role).map(|(name, _)| self.of(name)).collect()
    }
}

impl Stand {
    /// Starts it and waits until every process is ready.
    ///
    /// # Errors
    /// What does not start, with the end of its log.
    pub async fn start(bench: &Arc<Bench>, round: &Round) -> Result<Self> {
        let dir = bench.dir.join(&round.label);
        fs::create_dir_all(&dir)?;
        // Nobody else's: rounds come one after the other.
        bench.servers.redis_clear().await?;
        let names = Names {
            database: round.database.clone(),
            prefix: round.label.clone(),
            claim_limit_seconds: round.claim_limit_seconds,
        };
        let ports = Ports::pick();
        let links = open_links(&bench.servers, &ports).await?;
        write_configurations(bench, &names, &ports, &links, &dir)?;
        let webhook = format!("http://127.0.0.1:{}/webhooks/stripe", port(&links, WEBHOOKS)?);
        let log = dir.join("paysim.log");
        let (http, servers) = (bench.http.clone(), &bench.servers);
        let sandbox = Sandbox::start(&bench.paysim, ports.sandbox, &webhook, &log, servers, http).await?;
        let nodes = PROCESSES.map(|(name, role)| {
            let launch = Launch {
                name,
                role,
                program: bench.marquee.clone(),
                config: dir.join(format!("{name}.toml")),
                log: dir.join(format!("{name}.log")),
                port: ports.of(name),
                mutant: round.mutant,
            };
            Node::new(launch, Arc::clone(&bench.servers), bench.http.clone())
        });
        let stop = CancellationToken::new();
        let supervisors =
            nodes.iter().map(|node| node.supervise(stop.clone())).collect::<Result<Vec<_>>>()?;
        let stand = Self {
            bench: Arc::clone(bench),
            names,
            dir,
            nodes: nodes.to_vec(),
            links,
            sandbox,
            stop: stop.drop_guard(),
            supervisors,
        };
        stand.ready(START_WITHIN).await?;
        Ok(stand)
    }

    /// Lets this probe tell how long a death was felt.
    pub fn watch_with(&self, probe: &Probe) {
        for node in &self.nodes {
            node.watch_with(probe.clone());
        }
    }

    /// Waits until every process can do its work.
    ///
    /// # Errors
    /// Which one cannot in time, with the end of its log.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        for node in &self.nodes {
            let ready = tokio::time::timeout_at(deadline, node.ready()).await;
            ready.map_err(|_| anyhow!("{} is not ready; {}", node.name(), tail(node.log())))?;
        }
        Ok(())
    }

    /// The federated endpoint.
    pub fn graphql(&self) -> String {
        format!("http://127.0.0.1:{}/graphql", self.clients_port())
    }

    fn clients_port(&self) -> u16 {
        self.links.get(CLIENTS).map(Link::port).unwrap_or_default()
    }

    /// What actors and observers need to know.
    pub fn target(&self, template: &Template) -> Target {
        let servers = &self.bench.servers;
        Target {
            graphql: self.graphql(),
            subscriptions: format!("ws://127.0.0.1:{}/graphql", self.clients_port()),
            sandbox: self.sandbox.base().to_owned(),
            postgres: servers.postgres_url(&self.names.database),
            rabbit: RabbitTarget {
                url: format!("amqp://guest:guest@127.0.0.1:{}/%2f", servers.rabbit_port()),
                prefix: format!("{}.", self.names.prefix),
                retry_delays_ms: RETRY_DELAYS_MS.to_vec(),
                queues: template.queues.clone(),
            },
            logs: self.nodes.iter().map(|node| node.log().clone()).collect(),
            mails: mail_dir(&self.dir),
            heartbeat: Duration::from_millis(HEARTBEAT_MS.into()),
            claim_limit: Duration::from_secs(self.names.claim_limit_seconds.into()),
            shows: template.shows.clone(),
        }
    }

    /// The private servers.
    pub fn servers(&self) -> &Arc<Servers> {
        &self.bench.servers
    }

    /// For requests that are not part of the test.
    pub fn http(&self) -> &reqwest::Client {
        &self.bench.http
    }

    /// The payment sandbox.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// All processes of the platform.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The process of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> Result<&Arc<Node>> {
        self.nodes.iter().find(|node| node.name() == name).with_context(|| format!("no process {name}"))
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The link of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, name: &str) -> Result<&Link> {
        self.links.get(name).with_context(|| format!("no link {name}"))
    }

    /// Runs a `marquee` command with this platform's configuration, past all proxies.
    ///
    /// # Errors
    /// With what it said, when it failed.
    pub async fn marquee(&self, arguments: &[&str]) -> Result<String> {
        command(&self.bench.marquee, &command_config(&self.dir), arguments).await
    }

    /// Kills every process. `keep_database` leaves the data.
    ///
    /// # Errors
    /// When a supervisor failed in the meantime.
    pub async fn stop(self, keep_database: bool) -> Result<Cleanup> {
        self.stop.disarm().cancel();
        for supervisor in join_all(self.supervisors).await {
            supervisor??;
        }
        self.sandbox.stop().await?;
        drop(self.links);
        let (bench, names) = (Arc::clone(&self.bench), self.names);
        let (program, config) = (bench.marquee.clone(), command_config(&self.dir));
        let mut work = JoinSet::new();
        work.spawn(async move {
            command(&program, &config, &["queues", "delete"]).await?;
            Ok(fs::remove_file(&config)?)
        });
        if !keep_database {
            work.spawn(async move { database::remove(&bench.servers, &names.database).await });
        }
        Ok(Cleanup(work))
    }
}

/// Queues and databases that are being removed.
#[derive(Debug)]
#[must_use = "to be awaited before servers are disturbed"]
pub struct Cleanup(JoinSet<Result<()>>);

impl Cleanup {
    /// Waits until all is removed.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub async fn finish(mut self) -> Result<()> {
        while let Some(done) = self.0.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// The configuration of commands, beside the round's folder: it is needed until all is removed, and
/// whether the folder stays is decided before.
fn command_config(dir: &Path) -> PathBuf {
    dir.with_extension("toml")
}

/// Where a round's mails are.
fn mail_dir(dir: &Path) -> PathBuf {
    dir.join("mail")
}

async fn command(program: &Path, config: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "MARQUEE_MUTANT"] {
        command.env_remove(variable);
    }
    let output = timeout(COMMAND_WITHIN, command.output()).await;
    let output = output.with_context(|| format!("marquee {arguments:?} does not end"))??;
    ensure!(output.status.success(), "marquee {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn port(links: &BTreeMap<String, Link>, name: &str) -> Result<u16> {
    links.get(name).map(Link::port).with_context(|| format!("no link {name}"))
}

async fn open_links(servers: &Servers, ports: &Ports) -> Result<BTreeMap<String, Link>> {
    let mut wanted =
        vec![(CLIENTS.to_owned(), ports.all(Role::Gateway)), (WEBHOOKS.to_owned(), ports.all(Role::Booking))];
    for (process, role) in PROCESSES {
        for peer in peers(role) {
            let backends = match peer {
                Peer::Postgres => vec![servers.postgres_port()],
                Peer::Redis => vec![servers.redis_port()],
                Peer::Rabbit => vec![servers.rabbit_port()],
                Peer::Provider => vec![ports.sandbox],
                Peer::Booking => ports.all(Role::Booking),
                Peer::Catalog => ports.all(Role::Catalog),
                Peer::User => vec![ports.user],
            };
            wanted.push((link(process, *peer), backends));
        }
    }
    let mut links = BTreeMap::new();
    for (name, backends) in wanted {
        links.insert(name, Link::open(&backends).await?);
    }
    Ok(links)
}

fn write_configurations(
    bench: &Bench,
    names: &Names,
    ports: &Ports,
    links: &BTreeMap<String, Link>,
    dir: &Path,
) -> Result<()> {
    let mail = mail_dir(dir);
    let direct = Places {
        listen: BTreeMap::new(),
        postgres: bench.servers.postgres_port(),
        redis: bench.servers.redis_port(),
        rabbit: bench.servers.rabbit_port(),
        provider: ports.sandbox,
        catalog: ports.of("catalog"),
        booking: ports.of("booking-1"),
        user: ports.user,
    };
    config::write(&command_config(dir), names, &direct, &mail, &bench.root)?;
    for (process, role) in PROCESSES {
        let mut places = direct.clone();
        for peer in peers(role) {
            let port = port(links, &link(process, *peer))?;
            match peer {
                Peer::Postgres => places.postgres = port,
                Peer::Redis => places.redis = port,
                Peer::Rabbit => places.rabbit = port,
                Peer::Provider => places.provider = port,
                Peer::Booking => places.booking = port,
                Peer::Catalog => places.catalog = port,
                Peer::User => places.user = port,
            }
        }
        places.listen = match role {
            Role::Catalog => [("catalog", ports.of(process)), ("user", ports.user)].into(),
            _ => [(role.roles(), ports.of(process))].into(),
        };
        config::write(&dir.join(format!("{process}.toml")), names, &places, &mail, &bench.root)?;
    }
    Ok(())
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let end = lines.get(lines.len().saturating_sub(LOG_TAIL)..).unwrap_or_default();
    format!("{} ends with:\n{}", log.display(), end.join("\n"))
}
