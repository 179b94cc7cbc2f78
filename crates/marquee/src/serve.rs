//! Starting the chosen roles in this process, and ending them in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use kernel::SystemIds;
use platform::{
    Deps, Queue, Rabbit, Redis, Shutdown, Telemetry, faults,
    http::{self, Readiness},
    outbox,
};
use tokio::net::TcpListener;

use crate::{cli::RoleName, config::Config};

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

    // The gateway needs no store, so that it can run in front of any subgraphs; Redis only shares its
    // rate limits.
    let deps = match roles {
        [RoleName::Gateway] => None,
        _ => Some(connect(&config, &shutdown).await?),
    };
    let failures = Failures::default();
    for role in roles {
        if let Err(error) = start(*role, &config, deps.as_ref(), &telemetry, &shutdown, &failures).await {
            shutdown.finish(Duration::ZERO).await;
            return Err(error);
        }
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

async fn start(
    role: RoleName,
    config: &Config,
    deps: Option<&Deps>,
    telemetry: &Telemetry,
    shutdown: &Shutdown,
    failures: &Failures,
) -> Result<()> {
    if role == RoleName::Gateway {
        let listener = gateway::bind(&config.gateway).await?;
        let outside = gateway::Outside {
            clock: faults::clock(),
            ids: Arc::new(SystemIds),
            redis: buckets(config, deps, shutdown)?,
        };
        let work =
            gateway::run(config.gateway.clone(), outside, telemetry.clone(), listener, shutdown.clone());
        spawn("gateway", work, shutdown, failures);
        return Ok(());
    }
    let deps = deps.cloned().ok_or_else(|| anyhow!("this role needs its stores"))?;
    let (telemetry, stop) = (telemetry.clone(), shutdown.clone());
    match role {
        RoleName::Gateway => {}
        RoleName::Catalog => {
            let (config, listener) = (config.catalog.clone(), bind("catalog", config.catalog.listen).await?);
            spawn(
                "catalog",
                async move { catalog::run(config, deps, &telemetry, listener, stop).await },
                shutdown,
                failures,
            );
        }
        RoleName::Booking => {
            let (config, listener) = (config.booking.clone(), bind("booking", config.booking.listen).await?);
            spawn(
                "booking",
                async move { booking::run(config, deps, &telemetry, listener, stop).await },
                shutdown,
                failures,
            );
        }
        RoleName::User => {
            let (config, listener) = (config.user.clone(), bind("user", config.user.listen).await?);
            spawn(
                "user",
                async move { user::run(config, deps, &telemetry, listener, stop).await },
                shutdown,
                failures,
            );
        }
        RoleName::Worker => {
            let listener = bind("worker", config.worker.listen).await?;
            start_worker(config, &deps, &stop)?;
            let readiness =
                Readiness::new(&stop, &telemetry).postgres(&deps.pg).redis(&deps.redis).rabbit(&deps.rabbit);
            let serve = async move { http::serve(listener, http::ops_routes(readiness), &stop).await };
            spawn("worker", serve, shutdown, failures);
        }
    }
    Ok(())
}

/// Where the gateway keeps its rate limits: the Redis of this process, or one of its own. It starts
/// and serves without Redis, as every role does.
fn buckets(config: &Config, deps: Option<&Deps>, shutdown: &Shutdown) -> Result<Option<Redis>> {
    let limits = &config.gateway.rate_limits;
    if !limits.enabled || limits.store == gateway::Store::Local {
        return Ok(None);
    }
    match deps {
        Some(deps) => Ok(Some(deps.redis.clone())),
        None => Ok(Some(Redis::connect(&config.redis, shutdown)?)),
    }
}

/// Relays, consumers and jobs.
///
/// Architecture invariant: every queue exists before a relay publishes. The exchange keeps nothing
/// that no queue asked for, so an event that overtook its queue would be lost.
fn start_worker(config: &Config, deps: &Deps, shutdown: &Shutdown) -> Result<()> {
    booking::consumers(config.booking.clone(), deps.clone(), shutdown)?;
    notifications::consumers(&config.notifications, deps, shutdown)?;
    user::consumers(&config.user, deps, shutdown);
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
    Ok(())
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

/// Runs a role; when it ends by itself, the process ends in order.
fn spawn<E>(
    name: &'static str,
    work: impl Future<Output = Result<(), E>> + Send + 'static,
    shutdown: &Shutdown,
    failures: &Failures,
) where
    E: std::error::Error + Send + Sync + 'static,
{
    let (process, failures) = (shutdown.clone(), failures.clone());
    shutdown.spawn(name, async move {
        if let Err(error) = work.await {
            failures.push(anyhow::Error::new(error).context(format!("the role `{name}` ended")));
        }
        process.begin();
    });
}
