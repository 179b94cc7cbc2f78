//! Starting the chosen roles in this process, and ending them in order.

use std::{collections::BTreeMap, mem, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use axum::Router;
use booking::SeatValidators;
use kernel::SystemIds;
use platform::{
    Deps, Queue, Rabbit, Redis, Shutdown, Telemetry, faults,
    http::{self, Direct, Readiness},
    outbox,
};
use tokio::{net::TcpListener, runtime::Handle};

use crate::{
    cli::RoleName,
    config::{Config, WorkerPart},
};

/// What running work may take to end after SIGTERM before it is dropped.
const GRACE: Duration = Duration::from_secs(20);
/// The schemas whose outboxes the worker publishes.
const OUTBOXES: [&str; 3] = ["catalog", "booking", "users"];

/// Runs `roles` until a signal comes or one of them fails.
///
/// # Errors
/// What is wrong with the configuration or the machine, or why a role ended.
pub async fn run(config: Config, roles: &[RoleName]) -> Result<()> {
    ensure!(!roles.is_empty(), "choose at least one role with --roles");
    let telemetry = platform::telemetry::init(&config.telemetry)?;
    faults::start()?;
    let shutdown = Shutdown::new();
    telemetry.keep(&shutdown);

    let mut process = Process::new(config, roles, telemetry, shutdown).await?;
    let started = process.start(roles).await;
    let Process { telemetry, shutdown, failures, .. } = process;
    if let Err(error) = started {
        shutdown.finish(Duration::ZERO).await;
        return Err(error);
    }
    tracing::info!(?roles, "serving");
    shutdown.wait_for_signal().await?;
    shutdown.finish(GRACE).await;
    telemetry.finish().await;
    ensure!(!shutdown.has_failed(), "a task panicked; the log says which");
    failures.into_result()
}

/// The clients of the stores, connecting in the background.
///
/// # Errors
/// When an address cannot be understood.
pub async fn connect(config: &Config, shutdown: &Shutdown) -> Result<Deps> {
    Ok(Deps::connect(&config.deps(), faults::clock(), Arc::new(SystemIds), shutdown).await?)
}

/// Why roles ended by themselves.
#[derive(Debug, Clone, Default)]
struct Failures(Arc<std::sync::Mutex<Vec<anyhow::Error>>>);

impl Failures {
    fn push(&self, error: anyhow::Error) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(error);
    }

    fn into_result(self) -> Result<()> {
        match self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// What the roles of this process have in common.
struct Process {
    config: Config,
    deps: Option<Deps>,
    telemetry: Telemetry,
    shutdown: Shutdown,
    failures: Failures,
    /// The subgraphs that were started.
    local: BTreeMap<String, Direct>,
}

impl Process {
    async fn new(
        config: Config,
        roles: &[RoleName],
        telemetry: Telemetry,
        shutdown: Shutdown,
    ) -> Result<Self> {
        // The gateway needs no store, so that it can run in front of any subgraphs; Redis only shares its
        // rate limits.
        let deps = match roles {
            [RoleName::Gateway] => None,
            _ => Some(connect(&config, &shutdown).await?),
        };
        let (failures, local) = (Failures::default(), BTreeMap::new());
        Ok(Self { config, deps, telemetry, shutdown, failures, local })
    }

    /// Starts the gateway last: it asks the subgraphs of this process directly.
    async fn start(&mut self, roles: &[RoleName]) -> Result<()> {
        let (gateways, others): (Vec<_>, Vec<_>) =
            roles.iter().copied().partition(|role| *role == RoleName::Gateway);
        for role in others.into_iter().chain(gateways) {
            self.start_role(role).await?;
        }
        Ok(())
    }

    async fn start_role(&mut self, role: RoleName) -> Result<()> {
        if role == RoleName::Gateway {
            return self.start_gateway().await;
        }
        let deps = self.deps.clone().ok_or_else(|| anyhow!("this role needs its stores"))?;
        let (config, telemetry, shutdown) = (&self.config, &self.telemetry, &self.shutdown);
        match role {
            RoleName::Gateway => {}
            RoleName::Catalog => {
                let listener = bind("catalog", config.catalog.listen).await?;
                let routes = catalog::role(config.catalog.clone(), &deps, telemetry, shutdown)?;
                self.start_subgraph("catalog", listener, routes);
            }
            RoleName::Booking => {
                let listener = bind("booking", config.booking.listen).await?;
                let routes = booking::role(config.booking.clone(), &deps, telemetry, shutdown)?;
                self.start_subgraph("booking", listener, routes);
            }
            RoleName::User => {
                let listener = bind("user", config.user.listen).await?;
                let routes = user::role(config.user.clone(), &deps, telemetry, shutdown)?;
                self.start_subgraph("user", listener, routes);
            }
            RoleName::Worker => {
                let listener = bind("worker", config.worker.listen).await?;
                start_worker(config, &deps, shutdown)?;
                let readiness = Readiness::new(shutdown, telemetry)
                    .postgres(&deps.pg)
                    .redis(&deps.redis)
                    .rabbit(&deps.rabbit);
                self.serve("worker", listener, http::ops_routes(readiness));
            }
        }
        Ok(())
    }

    async fn start_gateway(&mut self) -> Result<()> {
        let config = self.config.gateway.clone();
        let listener = gateway::bind(&config).await?;
        let redis = redis(&self.config, self.deps.as_ref(), &self.shutdown)?;
        let validators = redis.clone().map(|redis| Arc::new(SeatValidators::new(redis)) as Arc<_>);
        let outside = gateway::Outside {
            clock: faults::clock(),
            ids: Arc::new(SystemIds),
            redis,
            verifiers: self.deps.as_ref().map(|deps| deps.verifiers.clone()).unwrap_or_default(),
            local: mem::take(&mut self.local),
            validators,
        };
        let (telemetry, shutdown) = (self.telemetry.clone(), self.shutdown.clone());
        self.spawn("gateway", gateway::run(config, outside, telemetry, listener, shutdown));
        Ok(())
    }

    /// Serves a subgraph on the network and, if there is one, to the gateway of this process.
    fn start_subgraph(&mut self, name: &'static str, listener: TcpListener, routes: Router) {
        let direct = Direct::new(routes.clone(), Handle::current(), &self.shutdown);
        self.local.insert(name.to_owned(), direct);
        self.serve(name, listener, routes);
    }

    fn serve(&self, name: &'static str, listener: TcpListener, routes: Router) {
        let shutdown = self.shutdown.clone();
        self.spawn(name, async move { http::serve(listener, routes, &shutdown).await });
    }

    /// Runs a role; when it ends by itself, the process ends in order.
    fn spawn<E>(&self, name: &'static str, work: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let (process, failures) = (self.shutdown.clone(), self.failures.clone());
        self.shutdown.spawn(name, async move {
            if let Err(error) = work.await {
                failures.push(anyhow::Error::new(error).context(format!("the role `{name}` ended")));
            }
            process.begin();
        });
    }
}

/// Where the gateway keeps its rate limits, hears that answers have changed, and asks whether seats have:
/// the Redis of this process, or one of its own. It starts and serves without Redis, as every role does.
fn redis(config: &Config, deps: Option<&Deps>, shutdown: &Shutdown) -> Result<Option<Redis>> {
    let limits = &config.gateway.rate_limits;
    let limited = limits.enabled && limits.store == gateway::Store::Redis;
    if !limited && !config.gateway.answers.enabled {
        return Ok(None);
    }
    match deps {
        Some(deps) => Ok(Some(deps.redis.clone())),
        None => Ok(Some(Redis::connect(&config.redis, shutdown)?)),
    }
}

/// Relays, consumers and jobs: those of the chosen parts.
fn start_worker(config: &Config, deps: &Deps, shutdown: &Shutdown) -> Result<()> {
    for part in &config.worker.parts {
        match part {
            WorkerPart::Booking => booking::consumers(config.booking.clone(), deps.clone(), shutdown)?,
            WorkerPart::Notifications => notifications::consumers(&config.notifications, deps, shutdown)?,
            WorkerPart::User => user::consumers(&config.user, deps, shutdown),
            WorkerPart::Relay => start_relays(deps, shutdown),
        }
    }
    Ok(())
}

/// Architecture invariant: every queue exists before a relay publishes. The exchange keeps nothing
/// that no queue asked for, so an event that overtook its queue would be lost. So whoever relays
/// declares them all, whether it consumes them or not.
fn start_relays(deps: &Deps, shutdown: &Shutdown) {
    let (deps, token) = (deps.clone(), shutdown.token());
    let relaying = shutdown.clone();
    shutdown.spawn("declare-queues", async move {
        let declared = token.run_until_cancelled_owned(declare(&deps.rabbit)).await;
        if declared.is_some() {
            for schema in OUTBOXES {
                outbox::relay(&deps, schema, &relaying);
            }
        }
    });
}

/// Every queue of the platform.
pub fn queues() -> Vec<Queue> {
    booking::queues().into_iter().chain(notifications::queues()).collect()
}

/// Declares every queue, as soon as the broker is there.
async fn declare(rabbit: &Rabbit) {
    let queues = queues();
    loop {
        rabbit.connected().await;
        match rabbit.declare(&queues).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "cannot declare the queues yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn bind(section: &str, address: SocketAddr) -> Result<TcpListener> {
    let variable = section.to_uppercase();
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another with `listen` in [{section}] or MARQUEE_{variable}__LISTEN")
    })
}
