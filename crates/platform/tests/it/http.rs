//! Health, readiness, metrics, and the end of a server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use platform::{
    DepsConfig, Shutdown, Telemetry,
    http::{Readiness, ops_routes, serve},
    pg::PgConfig,
    rabbit::RabbitConfig,
    redis::RedisConfig,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use crate::support::{Proxy, database, deps, rabbit_config, redis_config, redis_url, until, within};

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

/// One request on a connection of its own.
async fn fetch(url: String) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    client.get(url).send().await
}

async fn ready(base: &str) -> (u16, Value) {
    let answer = fetch(format!("{base}/ready")).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The operator's routes for these dependencies.
async fn operate(config: DepsConfig, shutdown: &Shutdown) -> String {
    let deps = deps(&config, shutdown).await;
    let readiness = Readiness::new(shutdown, &Telemetry::detached().unwrap())
        .postgres(&deps.pg)
        .redis(&deps.redis)
        .rabbit(&deps.rabbit);
    let (listener, base) = listener().await;
    let serving = shutdown.clone();
    shutdown.spawn("http", async move {
        serve(listener, ops_routes(readiness), &serving).await.unwrap();
    });
    base
}

#[tokio::test]
async fn ready_when_all_dependencies_answer() {
    let shutdown = Shutdown::new();
    let config = DepsConfig { pg: database().await, redis: redis_config(), rabbit: rabbit_config() };
    let base = operate(config, &shutdown).await;
    until("readiness", || async { ready(&base).await.0 == 200 }).await;
    assert_eq!(
        ready(&base).await.1,
        json!({
            "status": "ready",
            "dependencies": { "postgres": "up", "rabbitmq": "up", "redis": "up" }
        })
    );
    let metrics = fetch(format!("{base}/metrics")).await.unwrap();
    assert_eq!(metrics.status(), 200);
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn ready_but_degraded_without_redis() {
    let (shutdown, start) = (Shutdown::new(), Instant::now());
    let proxy = Proxy::to(&redis_url()).await;
    let redis = RedisConfig { url: proxy.url(&redis_url()).into(), ..redis_config() };
    let base = operate(DepsConfig { pg: database().await, redis, rabbit: rabbit_config() }, &shutdown).await;
    // At its start it waits until it knows.
    until("readiness", || async { ready(&base).await.0 == 200 }).await;
    assert_eq!(ready(&base).await.1["status"], "ready");
    until("the start to be over", || async { start.elapsed() > Duration::from_secs(2) }).await;
    for fault in [Proxy::cut, Proxy::freeze] {
        fault(&proxy);
        // Never out of service, not even while nobody knows yet.
        until("the loss to be noticed", || async {
            let (code, report) = ready(&base).await;
            assert_eq!(code, 200, "{report}");
            report["status"] == "degraded"
        })
        .await;
        // Known to be away, it is not asked.
        until("the breaker", || async {
            let (asked, (code, report)) = (Instant::now(), ready(&base).await);
            assert_eq!((code, &report["dependencies"]["redis"]), (200, &json!("down")), "{report}");
            asked.elapsed() < Duration::from_millis(100)
        })
        .await;
        proxy.heal();
        until("Redis", || async { ready(&base).await.1["status"] == "ready" }).await;
    }
}

#[tokio::test]
async fn a_start_without_redis_is_over_within_seconds() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&redis_url()).await;
    proxy.cut();
    let redis = RedisConfig { url: proxy.url(&redis_url()).into(), ..redis_config() };
    let base = operate(DepsConfig { pg: database().await, redis, rabbit: rabbit_config() }, &shutdown).await;
    let report = ready(&base).await;
    assert_eq!((report.0, &report.1["dependencies"]["redis"]), (503, &json!("down")), "{report:?}");
    until("readiness", || async { ready(&base).await.0 == 200 }).await;
    assert_eq!(ready(&base).await.1["status"], "degraded");
}

#[tokio::test]
async fn lives_and_names_what_is_missing() {
    let shutdown = Shutdown::new();
    // A port that was free a moment ago.
    let (closed, _) = listener().await;
    let nowhere = closed.local_addr().unwrap();
    drop(closed);
    let config = DepsConfig {
        pg: PgConfig {
            url: format!("postgres://nobody@{nowhere}/none").into(),
            acquire_timeout_ms: 100,
            ..PgConfig::default()
        },
        redis: RedisConfig { url: format!("redis://{nowhere}").into(), ..redis_config() },
        rabbit: RabbitConfig { url: format!("amqp://{nowhere}").into(), ..rabbit_config() },
    };
    let base = operate(config, &shutdown).await;
    let health = fetch(format!("{base}/health")).await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(
        ready(&base).await,
        (
            503,
            json!({
                "status": "unavailable",
                "dependencies": { "postgres": "down", "rabbitmq": "down", "redis": "down" }
            })
        )
    );
}

#[tokio::test]
async fn a_draining_server_finishes_its_answers_and_takes_no_more() {
    let shutdown = Shutdown::new();
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered, wait) = (Arc::clone(&started), Arc::clone(&release));
    let slow = get(async move || {
        entered.notify_one();
        wait.notified().await;
        "finished"
    });
    let (listener, base) = listener().await;
    let serving = shutdown.clone();
    shutdown.spawn("http", async move {
        serve(listener, Router::new().route("/slow", slow), &serving).await.unwrap();
    });
    let request = tokio::spawn(fetch(format!("{base}/slow")));
    within("the request to arrive", started.notified()).await;
    shutdown.begin();
    until("new connections to be refused", || async { fetch(format!("{base}/slow")).await.is_err() }).await;
    release.notify_one();
    let answer = within("the answer", request).await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "finished");
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn what_was_begun_is_finished_though_the_client_left() {
    let shutdown = Shutdown::new();
    let (started, release, finished) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered, wait, done) = (Arc::clone(&started), Arc::clone(&release), Arc::clone(&finished));
    let slow = get(async move || {
        entered.notify_one();
        wait.notified().await;
        done.notify_one();
    });
    let (listener, base) = listener().await;
    let serving = shutdown.clone();
    shutdown.spawn("http", async move {
        serve(listener, Router::new().route("/slow", slow), &serving).await.unwrap();
    });
    let request = tokio::spawn(fetch(format!("{base}/slow")));
    within("the request to arrive", started.notified()).await;
    request.abort();
    assert!(request.await.is_err());
    release.notify_one();
    within("the end of the work", finished.notified()).await;
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}
