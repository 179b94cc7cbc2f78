//! The whole platform, for one test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use client::Client;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::{
    database, http, ports, process::Process, sandbox::Sandbox, services::Services, wait::eventually,
};

/// Signs webhooks between the sandbox and the platform.
pub const WEBHOOK_SECRET: &str = "whsec_journeys";
/// 32 bytes of each, base64: keys of nobody else.
const TOKEN_KEY: &str = "dG9rZW4ta2V5LW9mLXRoZS1qb3VybmV5cy0wMDAwMDA=";
const TICKET_KEY: &str = "dGlja2V0LWtleS1vZi10aGUtam91cm5leXMtMDAwMDA=";
const ROLES: [&str; 5] = ["gateway", "catalog", "booking", "user", "worker"];

/// How a stack differs from the usual one.
#[derive(Debug, Default)]
pub struct StackBuilder {
    settings: Vec<(String, Value)>,
    database: Option<String>,
    roles: Option<Vec<String>>,
    split: bool,
    not_ready: Vec<String>,
}

impl StackBuilder {
    /// The usual one: all roles in one process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key of the configuration, by its dotted path.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.settings.push((path.to_owned(), value.into()));
        self
    }

    /// A process for each role.
    #[must_use]
    pub const fn split(mut self) -> Self {
        self.split = true;
        self
    }

    /// Password hashing that costs next to nothing, for crowds.
    #[must_use]
    pub fn fast_passwords(self) -> Self {
        self.set("user.password.memory_kib", 8).set("user.password.iterations", 1)
    }

    /// Uses this database and leaves it behind.
    #[must_use]
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// Does not wait for these roles: something that they need is away.
    #[must_use]
    pub fn not_ready(mut self, roles: &[&str]) -> Self {
        self.not_ready = roles.iter().map(|role| (*role).to_owned()).collect();
        self
    }

    /// Only these roles.
    #[must_use]
    pub fn roles(mut self, roles: &[&str]) -> Self {
        self.roles = Some(roles.iter().map(|role| (*role).to_owned()).collect());
        self
    }

    /// Starts it and waits until every role is ready.
    ///
    /// # Panics
    /// With what went wrong.
    pub async fn start(self) -> Stack {
        let start = async { self.start_with(Services::from_env()?).await };
        start.await.unwrap_or_else(|error| panic!("the stack does not start: {error:#}"))
    }

    pub(crate) async fn start_with(self, services: Services) -> Result<Stack> {
        let own_database = self.database.is_none();
        let database = match self.database {
            Some(url) => url,
            None => database::create(&services).await?,
        };
        let dir = TempDir::with_prefix("marquee-journey-")?;
        let ports = Ports::pick();
        let config = configuration(&services, &database, &dir, &ports, &self.settings)?;
        let config_path = dir.path().join("marquee.toml");
        fs::write(&config_path, toml::to_string(&config)?)?;

        let visitor = Client::new(format!("{}/graphql", address(ports.gateway)))?;
        let sandbox = Sandbox::start(&services, dir.path(), ports.sandbox, &ports.webhook())?;
        let roles = self.roles.unwrap_or_else(|| ROLES.map(str::to_owned).to_vec());
        let groups =
            if self.split { roles.iter().map(|role| vec![role.clone()]).collect() } else { vec![roles] };
        let mut stack = Stack {
            services,
            database,
            own_database,
            dir,
            ports,
            sandbox,
            config_path,
            groups,
            not_ready: self.not_ready,
            visitor,
            processes: Vec::new(),
        };
        stack.start_processes()?;
        stack.ready().await;
        Ok(stack)
    }
}

#[derive(Debug)]
struct Ports {
    gateway: u16,
    catalog: u16,
    booking: u16,
    user: u16,
    worker: u16,
    sandbox: u16,
}

impl Ports {
    fn pick() -> Self {
        Self {
            gateway: ports::free(),
            catalog: ports::free(),
            booking: ports::free(),
            user: ports::free(),
            worker: ports::free(),
            sandbox: ports::free(),
        }
    }

    fn ops(&self, role: &str) -> u16 {
        match role {
            "gateway" => self.gateway,
            "catalog" => self.catalog,
            "booking" => self.booking,
            "user" => self.user,
            _ => self.worker,
        }
    }

    fn webhook(&self) -> String {
        format!("{}/webhooks/stripe", address(self.booking))
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn set(config: &mut Table, path: &str, value: Value) -> Result<()> {
    let mut table = config;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            table.insert(part.to_owned(), value);
            return Ok(());
        }
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .with_context(|| format!("{part} in {path} is no section"))?;
    }
    Ok(())
}

fn configuration(
    services: &Services,
    database: &str,
    dir: &TempDir,
    ports: &Ports,
    settings: &[(String, Value)],
) -> Result<Table> {
    let listen = |port: u16| Value::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string());
    let prefix = database::unique("j");
    let mail = dir.path().join("mail").display().to_string();
    let supergraph = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schema/supergraph.graphql");
    let jwks = format!("{}/.well-known/jwks.json", address(ports.user));
    let secrets = Value::Array(vec![WEBHOOK_SECRET.into()]);
    let mut config = Table::new();
    let usual: Vec<(&str, Value)> = vec![
        ("pg.url", database.into()),
        ("pg.max_connections", 12.into()),
        ("redis.url", services.redis.as_str().into()),
        ("redis.prefix", format!("{prefix}:").into()),
        ("rabbit.url", services.rabbit.as_str().into()),
        ("rabbit.prefix", format!("{prefix}.").into()),
        // Failures of the provider are part of the journeys; their tests should not take minutes.
        ("rabbit.retry_delays_ms", vec![100, 500, 2_000].into()),
        ("gateway.listen", listen(ports.gateway)),
        ("gateway.supergraph", supergraph.display().to_string().into()),
        ("gateway.subgraph_urls.catalog", format!("{}/graphql", address(ports.catalog)).into()),
        ("gateway.subgraph_urls.booking", format!("{}/graphql", address(ports.booking)).into()),
        ("gateway.subgraph_urls.user", format!("{}/graphql", address(ports.user)).into()),
        ("gateway.auth.jwks_url", jwks.as_str().into()),
        ("gateway.auth.token_url", format!("{}/oauth/token", address(ports.user)).into()),
        // All journeys come from one address, as fast as they can.
        ("gateway.rate_limits.enabled", false.into()),
        ("catalog.listen", listen(ports.catalog)),
        ("catalog.auth.jwks_url", jwks.as_str().into()),
        ("booking.listen", listen(ports.booking)),
        ("booking.auth.jwks_url", jwks.as_str().into()),
        ("booking.ticket_signing_key", TICKET_KEY.into()),
        ("booking.payments.api_base", address(ports.sandbox).into()),
        ("booking.payments.secret_key", "sk_test_journeys".into()),
        ("booking.payments.webhook_secrets", secrets),
        ("user.listen", listen(ports.user)),
        ("user.signing_key", TOKEN_KEY.into()),
        ("notifications.mail_dir", mail.into()),
        ("worker.listen", listen(ports.worker)),
    ];
    for (path, value) in usual {
        set(&mut config, path, value)?;
    }
    for (path, value) in settings {
        set(&mut config, path, value.clone())?;
    }
    Ok(config)
}

/// A running platform with its payment sandbox. Dropping it ends all of it.
#[derive(Debug)]
pub struct Stack {
    services: Services,
    database: String,
    own_database: bool,
    dir: TempDir,
    ports: Ports,
    sandbox: Sandbox,
    config_path: PathBuf,
    groups: Vec<Vec<String>>,
    not_ready: Vec<String>,
    visitor: Client,
    processes: Vec<Process>,
}

impl Stack {
    /// The usual stack; see [`StackBuilder`].
    pub async fn start() -> Self {
        StackBuilder::new().start().await
    }

    fn start_processes(&mut self) -> Result<()> {
        for roles in &self.groups {
            let log = self.log(roles);
            let mut command = Command::new(&self.services.marquee);
            command.args(["serve", "--roles", &roles.join(","), "--config"]).arg(&self.config_path);
            self.processes.push(Process::spawn(&mut command, &log)?);
        }
        Ok(())
    }

    async fn ready(&mut self) {
        let http = http::client();
        for role in self.groups.concat() {
            let path = if self.not_ready.contains(&role) { "health" } else { "ready" };
            let url = format!("{}/{path}", self.ops(&role));
            eventually(format_args!("{role} is ready at {url}"), async || {
                assert!(self.processes.iter_mut().all(Process::is_running), "a process has ended");
                http.get(&url).send().await.ok().filter(|answer| answer.status().is_success())
            })
            .await;
        }
    }

    /// Runs a `marquee` command with this stack's configuration.
    ///
    /// # Errors
    /// With what it said, when it failed.
    pub fn command(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.services.marquee)
            .args(args)
            .arg("--config")
            .arg(&self.config_path)
            .output()?;
        ensure!(output.status.success(), "marquee {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// All lines that its processes have logged so far.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn logs(&self) -> Result<String> {
        let logs = self.groups.iter().map(|roles| self.log(roles));
        logs.map(|log| fs::read_to_string(&log).with_context(|| log.display().to_string())).collect()
    }

    fn log(&self, roles: &[String]) -> PathBuf {
        self.dir.path().join(format!("{}.log", roles.join("-")))
    }

    /// A client that has not signed in. All share their connections, as making a client anew
    /// reads the machine's certificates each time.
    pub fn visitor(&self) -> Client {
        self.visitor.clone()
    }

    /// The federated endpoint.
    pub fn graphql(&self) -> String {
        format!("{}/graphql", address(self.ports.gateway))
    }

    /// The same for sockets.
    pub fn subscriptions(&self) -> String {
        format!("ws://127.0.0.1:{}/graphql", self.ports.gateway)
    }

    /// Where the provider's webhooks go.
    pub fn webhook(&self) -> String {
        self.ports.webhook()
    }

    /// The root of a role's own listener.
    pub fn ops(&self, role: &str) -> String {
        address(self.ports.ops(role))
    }

    /// The payment sandbox.
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The folder of mails.
    pub fn mail_dir(&self) -> PathBuf {
        self.dir.path().join("mail")
    }

    /// Sets a key of the configuration, by its dotted path, from the next [`Stack::restart`] on.
    ///
    /// # Errors
    /// When the configuration cannot be changed.
    pub fn set(&self, path: &str, value: impl Into<Value>) -> Result<()> {
        let mut config: Table = fs::read_to_string(&self.config_path)?.parse()?;
        set(&mut config, path, value.into())?;
        Ok(fs::write(&self.config_path, toml::to_string(&config)?)?)
    }

    /// Ends the platform in order, and starts it again.
    ///
    /// # Errors
    /// When a process did not drain in time or ended with an error.
    pub async fn restart(&mut self) -> Result<()> {
        self.processes.drain(..).try_for_each(|mut process| process.stop())?;
        self.start_processes()?;
        self.ready().await;
        Ok(())
    }

    /// Ends the platform as an operator would, and checks that it ends in order.
    ///
    /// # Errors
    /// When a process did not drain in time or ended with an error.
    pub fn stop(mut self) -> Result<()> {
        self.processes.drain(..).try_for_each(|mut process| process.stop())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.processes.clear();
        // The servers are shared by the run, and each stack has dozens of queues.
        let used = !self.not_ready.contains(&"worker".to_owned());
        let cleared = if used { self.command(&["queues", "delete"]) } else { Ok(String::new()) };
        if self.own_database && !std::thread::panicking() {
            let (services, database) = (self.services.clone(), self.database.clone());
            // Dropping runs inside a test's runtime, which must not be blocked on.
            let removal = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(database::remove(&services, &database))
            });
            // A database that stays is only space, on a server that ends with the run.
            let _ = removal.join();
        }
        if let (Err(error), false) = (cleared, std::thread::panicking()) {
            panic!("the queues stay behind: {error:#}");
        }
    }
}
