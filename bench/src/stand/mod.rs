//! The stand: private servers with real durability, the platform, the payment sandbox and the raw
//! baselines.

mod config;
mod database;
mod people;
mod process;
mod redis;
mod servers;
mod shows;

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use platform::{Redis, Shutdown};
use sea_orm::DatabaseConnection;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};
use xtask::{console, interrupt::Interrupt};

use crate::{
    load::{Done, get},
    measure::{self, Cpu, Sample},
};

pub use config::{EXCHANGE, PREFIX, PROVIDER_KEY, Ports};
pub use database::{count, execute};
pub use people::{People, Person};
pub use process::Part;
pub use servers::Servers;
pub use shows::{Show, Shows};

/// The processes of the platform, each a name and its roles.
pub type Layout = &'static [(&'static str, &'static [&'static str])];
/// What answers is one process, so that nothing goes over a network that need not; the worker can be ended
/// alone.
const TOGETHER: Layout = &[("platform", &["gateway", "catalog", "booking", "user"]), ("worker", &["worker"])];
/// A process for each role.
const APART: Layout = &[
    ("gateway", &["gateway"]),
    ("catalog", &["catalog"]),
    ("booking", &["booking"]),
    ("user", &["user"]),
    ("worker", &["worker"]),
];
/// The database of the platform.
const DATABASE: &str = "bench";
/// The same tables, for what is run without the platform.
pub const RAW_DATABASE: &str = "bench_raw";
/// What anything may take to become true.
const PATIENCE: Duration = Duration::from_secs(180);
/// What a catalog of a hundred times may take to become known to booking.
const LEARNING: Duration = Duration::from_mins(20);
const PAUSE: Duration = Duration::from_millis(20);
/// How often tables are counted that may be large: each time costs what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Everything that runs.
pub struct Stand {
    /// PostgreSQL, Redis, RabbitMQ.
    pub servers: Arc<Servers>,
    /// Where everything listens.
    pub ports: Ports,
    /// The platform's database.
    pub pg: DatabaseConnection,
    /// The database [`RAW_DATABASE`].
    pub raw_pg: DatabaseConnection,
    /// The platform's Redis, with its prefix.
    pub redis: Redis,
    /// Who can buy.
    pub people: People,
    /// What can be sold.
    pub shows: Shows,
    layout: Layout,
    marquee: PathBuf,
    config: PathBuf,
    logs: PathBuf,
    parts: Vec<Part>,
    shutdown: Shutdown,
}

fn program(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable);
    path.map(PathBuf::from).with_context(|| format!("{variable} is not set: use `cargo xtask bench`"))
}

impl Stand {
    /// Starts everything, with a seeded catalog that booking knows; the roles in processes of their own, if
    /// they are to be `apart`.
    ///
    /// # Errors
    /// What does not start.
    pub async fn start(root: &Path, apart: bool, interrupt: &Interrupt) -> Result<Self> {
        let home = xtask::workspace::state_dir().join(format!("test-{}", std::process::id()));
        let servers = block_in_place(|| Servers::start(&home, interrupt))?;
        let ports = Ports::choose(&servers)?;
        let logs = root.join("target/bench/logs");
        if logs.exists() {
            std::fs::remove_dir_all(&logs)?;
        }
        std::fs::create_dir_all(&logs)?;
        let config = servers.dir().join("marquee.toml");
        let database = servers.create_database(DATABASE)?;
        config::write(&config, &servers, &database, &ports, root)?;

        let (marquee, paysim) = (program("MARQUEE_BIN")?, program("PAYSIM_BIN")?);
        for command in ["migrate", "seed"] {
            run(Command::new(&marquee).arg(command).arg("--config").arg(&config))?;
        }
        let raw_database = servers.create_database(RAW_DATABASE)?;
        run(Command::new(&marquee).arg("migrate").env("DATABASE_URL", &raw_database))?;
        let shutdown = Shutdown::new();
        let mut stand = Self {
            pg: database::connect(&database).await?,
            raw_pg: database::connect(&raw_database).await?,
            redis: redis::connect(&servers, &shutdown)?,
            people: People::new(),
            shows: Shows::default(),
            servers,
            ports,
            layout: if apart { APART } else { TOGETHER },
            marquee,
            config,
            logs,
            parts: Vec::new(),
            shutdown,
        };
        let webhook = format!("http://127.0.0.1:{}/webhooks/stripe", stand.ports.booking);
        let mut sandbox = Command::new(paysim);
        sandbox.args(["--listen", &format!("127.0.0.1:{}", stand.ports.sandbox)]);
        sandbox.args(["--webhook-url", &webhook, "--webhook-secret", config::WEBHOOK_SECRET]);
        // It says a line for each payment.
        sandbox.env("RUST_LOG", "warn");
        stand.spawn("paysim", sandbox, &[stand.ports.sandbox], "/health").await?;
        let mut raw = Command::new(env::current_exe()?);
        raw.args(["raw", "--listen", &format!("127.0.0.1:{}", stand.ports.raw)]);
        raw.args(["--sockets", &format!("127.0.0.1:{}", stand.ports.raw_sockets)]);
        raw.args(["--redis", &stand.servers.redis_url()]);
        stand.spawn("raw", raw, &[stand.ports.raw], "/health").await?;
        for (name, _) in stand.layout {
            stand.start_process(name).await?;
        }
        stand.people.read_key_id(stand.address(stand.ports.user)).await?;
        stand.learn_shows().await?;
        console::line(&format!("{} shows can be booked", stand.shows.len()));
        Ok(stand)
    }

    /// Waits until booking knows every show of the catalog, and reads them.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn learn_shows(&mut self) -> Result<()> {
        const MISSING: &str =
            "select (select count(*) from catalog.shows) - (select count(*) from booking.shows)
                                    + (select count(*) from catalog.outbox)";
        let known = async |stand: &Self| {
            let are_known = count(&stand.pg, MISSING).await? == 0;
            if !are_known {
                sleep(LOOK_EVERY).await;
            }
            Ok(are_known)
        };
        self.until_within(LEARNING, "booking knows every show", known).await?;
        execute(&self.pg, "analyze").await?;
        self.shows = Shows::read(&self.pg).await?;
        Ok(())
    }

    /// An address on loopback.
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    /// The gateway.
    pub fn gateway(&self) -> SocketAddr {
        self.address(self.ports.gateway)
    }

    /// The raw baselines.
    pub fn raw(&self) -> SocketAddr {
        self.address(self.ports.raw)
    }

    /// The processes of the platform.
    pub fn platform(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.layout.iter().map(|(name, _)| *name)
    }

    /// The process that has this role.
    pub fn process_of(&self, role: &str) -> &'static str {
        let has = self.layout.iter().find(|(_, roles)| roles.contains(&role));
        has.map_or("none", |(name, _)| name)
    }

    /// Starts a process of the platform and waits until all its roles are ready.
    ///
    /// # Errors
    /// With the end of its log.
    pub async fn start_process(&mut self, name: &'static str) -> Result<()> {
        let command = Command::new(&self.marquee);
        self.start_command(name, command).await
    }

    /// Starts the worker, for some parts of its role only.
    ///
    /// # Errors
    /// With the end of its log.
    pub async fn start_worker(&mut self, parts: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.marquee);
        command.env("MARQUEE_WORKER__PARTS", format!("{parts:?}"));
        self.start_command("worker", command).await
    }

    async fn start_command(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        let (_, roles) =
            self.layout.iter().find(|(known, _)| *known == name).with_context(|| format!("no {name}"))?;
        command.args(["serve", "--roles", &roles.join(","), "--config"]).arg(&self.config);
        let ports: Vec<u16> = roles.iter().map(|role| self.ports.of(role)).collect();
        self.spawn(name, command, &ports, "/ready").await
    }

    /// Ends a process of the platform in order.
    ///
    /// # Errors
    /// When there is none.
    pub async fn stop_process(&mut self, name: &'static str) -> Result<()> {
        let at =
            self.parts.iter().position(|part| part.name == name).with_context(|| format!("no {name}"))?;
        self.parts.remove(at).stop().await
    }

    /// Ends a process of the platform and starts a new one, which has nothing of what the old one kept.
    ///
    /// # Errors
    /// As the two steps.
    pub async fn restart_process(&mut self, name: &'static str) -> Result<()> {
        self.stop_process(name).await?;
        self.start_process(name).await
    }

    /// Starts the platform anew, whatever is left of it: for after something that failed anywhere.
    ///
    /// # Errors
    /// As [`Stand::start_process`].
    pub async fn renew(&mut self) -> Result<()> {
        for name in self.platform() {
            if self.parts.iter().any(|part| part.name == name) {
                self.stop_process(name).await?;
            }
            self.start_process(name).await?;
        }
        Ok(())
    }

    async fn spawn(&mut self, name: &'static str, command: Command, ports: &[u16], path: &str) -> Result<()> {
        // Before it is ready: what has been started can be ended.
        self.parts.push(Part::spawn(name, command, &self.logs, &self.servers)?);
        let (request, deadline) = (get(path), Instant::now() + PATIENCE);
        for port in ports {
            while !answers(self.address(*port), &request).await {
                let part = self.parts.last_mut().context("it was started just now")?;
                if !part.is_running() || Instant::now() > deadline {
                    bail!("{name} is not ready: {}", part.log_tail());
                }
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Whether everything still runs.
    ///
    /// # Errors
    /// What has ended by itself.
    pub fn all_run(&mut self) -> Result<()> {
        let ended = self.parts.iter_mut().find_map(|part| (!part.is_running()).then_some(part.name));
        ended.map_or(Ok(()), |name| bail!("the process {name} has ended by itself: see its log"))
    }

    /// Runs a command of `marquee` on this stand.
    ///
    /// # Errors
    /// With what it said.
    pub fn command(&self, arguments: &[&str]) -> Result<()> {
        run(Command::new(&self.marquee).args(arguments).arg("--config").arg(&self.config))
    }

    /// The process number of a part.
    pub fn pid(&self, name: &str) -> u32 {
        self.parts.iter().find(|part| part.name == name).map_or(0, |part| part.pid)
    }

    /// Memory of a part that is in RAM, in bytes.
    pub fn resident(&self, name: &str) -> u64 {
        measure::resident_bytes(self.pid(name))
    }

    /// All processes that are measured.
    fn processes(&self) -> Vec<measure::Process> {
        // With the programs that make the load of a raw side.
        let children = measure::Children::Ended;
        let own = measure::Process { name: "generator".to_owned(), pid: std::process::id(), children };
        let parts = self.parts.iter();
        let parts = parts.map(|part| measure::Process {
            name: part.name.to_owned(),
            pid: part.pid,
            children: measure::Children::None,
        });
        parts.chain(self.servers.processes()).chain([own]).collect()
    }

    /// Processes from which everything descends that belongs to this run: this one, and the servers, which
    /// may be nobody's children.
    pub fn roots(&self) -> Vec<u32> {
        self.servers.processes().into_iter().map(|server| server.pid).chain([std::process::id()]).collect()
    }

    /// Does `work` and tells what it cost.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn metered(&self, work: impl Future<Output = Result<Done>>) -> Result<Sample> {
        let processes = self.processes();
        let before = Cpu::now(&processes);
        let Done { operations, seconds } = work.await?;
        let cpu = Cpu::now(&processes).since(&before);
        Ok(Sample { operations, seconds, cpu, latency: None })
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn until(&self, what: &str, condition: impl AsyncFnMut(&Self) -> Result<bool>) -> Result<()> {
        self.until_within(PATIENCE, what, condition).await
    }

    async fn until_within(
        &self,
        patience: Duration,
        what: &str,
        mut condition: impl AsyncFnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !condition(self).await? {
            ensure!(Instant::now() < deadline, "waited {} s in vain: {what}", patience.as_secs());
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until what the last scenario left behind is done: events, mails.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn settle(&self) -> Result<()> {
        const WAITING: &str =
            "select (select count(*) from catalog.outbox) + (select count(*) from booking.outbox)
                                    + (select count(*) from users.outbox)";
        self.until("no event waits", async |stand| Ok(count(&stand.pg, WAITING).await? == 0)).await
    }

    /// Ends everything in order.
    ///
    /// # Errors
    /// When a process does not end.
    pub async fn stop(mut self) -> Result<()> {
        while let Some(part) = self.parts.pop() {
            part.stop().await?;
        }
        self.shutdown.finish(Duration::from_secs(1)).await;
        Ok(())
    }
}

/// Whether somebody answers this request well.
async fn answers(target: SocketAddr, request: &[u8]) -> bool {
    let Ok(mut connection) = crate::load::Connection::open(target).await else {
        return false;
    };
    connection.call(request).await.is_ok_and(|answer| answer.status == 200)
}

fn run(command: &mut Command) -> Result<()> {
    block_in_place(|| xtask::process::capture(command)).map(drop)
}
