//! What every listener offers besides its own routes: health, readiness, metrics, and an orderly
//! end.

mod direct;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use sea_orm::DatabaseConnection;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{Instant, timeout},
};
use tracing::field::Empty;

pub use direct::{Direct, Start};

use crate::{
    Rabbit, Redis, Shutdown, Telemetry, faults, pg,
    rabbit::BoxError,
    telemetry::{TARGET, in_span},
};

/// A dependency that does not answer within this time counts as missing.
const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// So long after its start a process waits for Redis before it takes requests; the circuit breaker
/// knows earlier whether there is any use in that.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

/// What machines ask all the time, and sockets, which last.
const UNTRACED: [&str; 4] = ["/health", "/ready", "/metrics", "/ws"];

type CheckFn = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;
type NeedFn = dyn Fn() -> bool + Send + Sync;

/// One dependency.
#[derive(Clone)]
struct Check {
    name: &'static str,
    answers: Arc<CheckFn>,
    /// Whether the process is of no use without it now.
    needed: Arc<NeedFn>,
}

/// What has to be there for this process to be useful; several roles in a process may share one.
#[derive(Clone)]
pub struct Readiness {
    shutdown: Shutdown,
    telemetry: Telemetry,
    checks: Vec<Check>,
}

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
        Self { shutdown: shutdown.clone(), telemetry: telemetry.clone(), checks: Vec::new() }
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

    /// Redis should answer, and the connection for subscriptions should be up. Without them the
    /// process does its work all the same, less well, and must not be taken out of service: it is
    /// degraded. Only at its start it waits for them, until it is known that Redis is away.
    #[must_use]
    pub fn redis(self, redis: &Redis) -> Self {
        let (start, breaker, redis) = (Instant::now(), redis.clone(), redis.clone());
        let needed = move || start.elapsed() < SETTLES_WITHIN && !breaker.is_away();
        let answers = move || {
            let redis = redis.clone();
            async move {
                redis.available()?;
                if !redis.subscriber().is_connected() {
                    return Err("no connection for subscriptions".into());
                }
                redis.ping().await.map_err(BoxError::from)
            }
        };
        self.add("redis", answers, needed)
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
    pub fn check<F, Fut, E>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.add(name, check, || true)
    }

    fn add<F, Fut, E>(
        mut self,
        name: &'static str,
        check: F,
        needed: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let answers = Arc::new(move || -> BoxFuture<'static, _> {
            let answer = check();
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        });
        self.checks.push(Check { name, answers, needed: Arc::new(needed) });
        self
    }

    /// The dependencies that are missing now.
    async fn missing(&self) -> Vec<&Check> {
        let answers = self.checks.iter().map(|check| async move {
            let name = check.name;
            match timeout(CHECK_WITHIN, (check.answers)()).await {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => tracing::warn!(dependency = name, error, "missing"),
                Err(_) => tracing::warn!(dependency = name, "missing: no answer in time"),
            }
            Some(check)
        });
        join_all(answers).await.into_iter().flatten().collect()
    }

    async fn report(&self) -> Report {
        let missing = self.missing().await;
        let status = if self.shutdown.is_draining() {
            "draining"
        } else if missing.is_empty() {
            "ready"
        } else if missing.iter().any(|check| (check.needed)()) {
            "unavailable"
        } else {
            "degraded"
        };
        let mut dependencies: BTreeMap<_, _> = self.checks.iter().map(|check| (check.name, "up")).collect();
        dependencies.extend(missing.iter().map(|check| (check.name, "down")));
        Report { status, dependencies }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.checks.iter().map(|check| check.name).collect();
        f.debug_struct("Readiness").field("checks", &names).finish()
    }
}

/// `GET /health`: the process lives. `GET /ready`: it can do its work (200; `degraded` when it does
/// so without Redis), or 503 with the dependencies that are missing, and 503 while it drains.
/// `GET /metrics`: Prometheus's text. In a build for tests also [`faults::routes`].
pub fn ops_routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(async || "alive"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness)
        .merge(faults::routes())
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report().await;
    let code = match report.status {
        "ready" | "degraded" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(report)).into_response()
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
    let service =
        in_tasks(router, shutdown, Start::InTask).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.token().cancelled_owned())
        .into_future();
    shutdown.hard().run_until_cancelled_owned(serving).await.unwrap_or(Ok(()))
}

/// `router`, whose requests have a span of their own and begin as `start` says, each to be carried through.
fn in_tasks(router: Router, shutdown: &Shutdown, start: Start) -> Router {
    router.layer(middleware::from_fn_with_state((shutdown.clone(), start), finish))
}

/// Runs a request to its end.
async fn finish(
    State((shutdown, start)): State<(Shutdown, Start)>,
    request: Request,
    next: Next,
) -> Response {
    let work = async move {
        // A panic is this request's alone.
        let ended = AssertUnwindSafe(traced(request, next)).catch_unwind().await;
        ended.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    };
    if start == Start::InTask || shutdown.is_over() {
        return in_task(&shutdown, work).await;
    }
    let mut work = Box::pin(work);
    // Who is to be woken is said at the next step, which follows at once.
    let first = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match first {
        Poll::Ready(response) => response,
        Poll::Pending => in_task(&shutdown, work).await,
    }
}

/// Carries a request through. Left to itself, the server drops a handler where it stands when the client
/// leaves; and sqlx gives a connection whose `BEGIN` was dropped back to the pool inside that transaction,
/// where the next statement of somebody else would seem to succeed and never be committed.
async fn in_task(shutdown: &Shutdown, work: impl Future<Output = Response> + Send + 'static) -> Response {
    let (answer, answered) = oneshot::channel();
    shutdown.spawn_one_of_many(async move {
        // Nobody waits any more: the client has left.
        let _ = answer.send(work.await);
    });
    answered.await.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

/// Answers a request as a part of the trace that its `traceparent` names, or of a new one.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(route) = route.filter(|route| !UNTRACED.contains(route)) else {
        return next.run(request).await;
    };
    let span = tracing::info_span!(
        target: TARGET,
        // Not that of a caller on the same thread, which would stay open with this one.
        parent: None,
        "request",
        otel.name = format_args!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
    );
    let trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let response = in_span(span.clone(), trace, next.run(request)).await;
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}
