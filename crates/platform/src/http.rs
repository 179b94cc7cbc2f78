//! What every listener offers besides its own routes: health, readiness, metrics, and an orderly
//! end.

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use futures::future::{BoxFuture, join_all};
use sea_orm::DatabaseConnection;
use serde::Serialize;
use tokio::{net::TcpListener, time::timeout};

use crate::{Rabbit, Redis, Shutdown, Telemetry, faults, pg};

/// A dependency that does not answer within this time counts as missing.
const CHECK_WITHIN: Duration = Duration::from_secs(1);

type CheckFn = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// What has to be there for this process to be useful; several roles in a process may share one.
#[derive(Clone)]
pub struct Readiness {
    shutdown: Shutdown,
    telemetry: Telemetry,
    checks: Vec<(&'static str, Arc<CheckFn>)>,
    /// One that can be done without, once it is known to be away.
    redis: Option<Redis>,
}

/// Its name.
const REDIS: &str = "redis";

/// The answer of `/ready`.
#[derive(Debug, Serialize)]
struct Report {
    status: &'static str,
    dependencies: BTreeMap<&'static str, &'static str>,
}

impl Readiness {
    /// Ready unless draining; add what is needed.
    #[must_use]
    pub fn new(shutdown: &Shutdown, telemetry: &Telemetry) -> Self {
        Self { shutdown: shutdown.clone(), telemetry: telemetry.clone(), checks: Vec::new(), redis: None }
    }

    /// PostgreSQL has to answer.
    #[must_use]
    pub fn postgres(self, pg: &DatabaseConnection) -> Self {
        let pg = pg.clone();
        self.check("postgres", move || {
            let pg = pg.clone();
            async move { pg::ping(&pg).await }
        })
    }

    /// Redis has to answer, and the connection for subscriptions has to be up; or it has to be known
    /// that Redis is away: then the process does its work without it, less well, and should not be
    /// taken out of service.
    #[must_use]
    pub fn redis(mut self, redis: &Redis) -> Self {
        self.redis = Some(redis.clone());
        let redis = redis.clone();
        self.check(REDIS, move || {
            let redis = redis.clone();
            async move {
                if !redis.subscriber().is_connected() {
                    return Err("no connection for subscriptions".to_owned());
                }
                redis.ping().await.map_err(|error| error.to_string())
            }
        })
    }

    /// RabbitMQ has to be connected, with all declared queues.
    #[must_use]
    pub fn rabbit(self, rabbit: &Rabbit) -> Self {
        let rabbit = rabbit.clone();
        self.check("rabbitmq", move || {
            let connected = rabbit.is_connected();
            async move { connected.then_some(()).ok_or(crate::rabbit::RabbitError::NotConnected) }
        })
    }

    /// Whatever else has to be there. The check must be cheap: it runs on every probe.
    #[must_use]
    pub fn check<F, Fut, E>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.checks.push((
            name,
            Arc::new(move || {
                let answer = check();
                Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
            }),
        ));
        self
    }

    /// Names of the dependencies that are missing now.
    pub async fn missing(&self) -> Vec<&'static str> {
        let answers = self.checks.iter().map(|(name, check)| async move {
            match timeout(CHECK_WITHIN, check()).await {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => tracing::warn!(dependency = name, error, "not ready"),
                Err(_) => tracing::warn!(dependency = name, "not ready: no answer in time"),
            }
            Some(*name)
        });
        join_all(answers).await.into_iter().flatten().collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.checks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Readiness").field("checks", &names).finish()
    }
}

/// `GET /health`: the process lives. `GET /ready`: it can do its work (200; `degraded` without
/// Redis), or 503 with the dependencies that are missing, and 503 while it drains. `GET /metrics`: Prometheus's text. In a
/// build for tests also [`faults::routes`].
pub fn ops_routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(async || "alive"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness)
        .merge(faults::routes())
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let missing = readiness.missing().await;
    let status = if readiness.shutdown.is_draining() {
        "draining"
    } else if missing.is_empty() {
        "ready"
    } else if missing == [REDIS] && readiness.redis.as_ref().is_some_and(Redis::is_away) {
        "degraded"
    } else {
        "unavailable"
    };
    let code = match status {
        "ready" | "degraded" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let dependencies = readiness
        .checks
        .iter()
        .map(|(name, _)| (*name, if missing.contains(name) { "down" } else { "up" }))
        .collect();
    (code, Json(Report { status, dependencies })).into_response()
}

async fn metrics(State(readiness): State<Readiness>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], readiness.telemetry.render()).into_response()
}

/// Serves `router` until the soft step of `shutdown`; then accepts nothing more, answers what is
/// being answered, and returns, at the hard step at the latest. Handlers can extract
/// `ConnectInfo<SocketAddr>`.
///
/// Upgraded connections (WebSockets) are not waited for: their handlers watch
/// [`Shutdown::token`] and run under [`Shutdown::spawn`] when they have something to finish.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown) -> std::io::Result<()> {
    // Answers are written in one piece; waiting for more to send only adds latency.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.token().cancelled_owned())
        .into_future();
    shutdown.hard().run_until_cancelled_owned(serving).await.unwrap_or(Ok(()))
}
