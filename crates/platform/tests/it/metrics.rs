//! What `/metrics` tells, under the names that alerts and dashboards use.

use std::{sync::Arc, time::Duration};

use platform::{
    DepsConfig, Script, Shutdown, Telemetry, job, outbox,
    telemetry::{self, TelemetryConfig},
};

use crate::{
    rabbit::{PROBE, Recorder},
    support::{SCHEMA, database, deps, event, rabbit_config, redis_config, until, uuid},
};

/// The value of a series, as far as it is there.
fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let text = telemetry.render();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

async fn told(telemetry: &Telemetry, series: &str, expected: impl Fn(f64) -> bool) {
    until(series, || async { value(telemetry, series).is_some_and(&expected) }).await;
}

#[tokio::test]
async fn a_worker_tells_how_it_does() {
    let telemetry = telemetry::init(&TelemetryConfig::default()).unwrap();
    assert!(tracing::info_span!(target: telemetry::TARGET, "work").is_disabled(), "traces are off");
    let shutdown = Shutdown::new();
    let config = DepsConfig { pg: database().await, redis: redis_config(), rabbit: rabbit_config() };
    let deps = deps(&config, &shutdown).await;
    deps.rabbit.declare(&[PROBE]).await.unwrap();
    outbox::relay(&deps, SCHEMA, &shutdown);
    let recorder = Arc::new(Recorder::default());
    deps.rabbit.consume(PROBE, recorder.clone(), &shutdown);
    job::every_as_leader("sweep", Duration::from_millis(5), deps.pg.clone(), &shutdown, || async {
        Ok::<(), String>(())
    });

    told(&telemetry, "outbox_leader{schema=\"probe\"}", |leads| leads == 1.0).await;
    told(&telemetry, "job_leader{job=\"sweep\"}", |leads| leads == 1.0).await;
    outbox::append(&deps.pg, SCHEMA, &event(uuid(), 1)).await.unwrap();
    outbox::wake(SCHEMA);
    until("the event", || async { recorder.count() == 1 }).await;
    told(&telemetry, "rabbitmq_event_age_seconds_count{queue=\"probe\"}", |count| count == 1.0).await;
    told(&telemetry, "outbox_events_waiting{schema=\"probe\"}", |waiting| waiting == 0.0).await;
    for kind in ["waiting", "delayed", "dead"] {
        let series = format!("rabbitmq_queue_depth{{queue=\"probe\",kind=\"{kind}\"}}");
        told(&telemetry, &series, |depth| depth == 0.0).await;
    }
    told(&telemetry, "postgres_query_seconds_count{kind=\"insert\"}", |count| count >= 1.0).await;

    until("Redis", || async { deps.redis.ping().await.is_ok() }).await;
    let (echo, broken) =
        (Script::new("return ARGV[1]").named("echo"), Script::new("return nothing()").named("broken"));
    deps.redis.eval(&echo, vec![], vec!["1".into()]).await.unwrap();
    deps.redis.eval(&broken, vec![], vec![]).await.unwrap_err();
    let ran = |script: &str, outcome: &str| {
        value(&telemetry, &format!("redis_script_seconds_count{{script=\"{script}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((ran("echo", "ok"), ran("broken", "refused")), (Some(1.0), Some(1.0)));

    told(&telemetry, "postgres_away", |away| away == 0.0).await;
    assert_eq!(value(&telemetry, "postgres_pool_limit"), Some(8.0));
    told(&telemetry, "postgres_pool_connections{state=\"idle\"}", |idle| idle >= 1.0).await;
    assert!(value(&telemetry, "process_open_fds") < value(&telemetry, "process_max_fds"));
    assert!(value(&telemetry, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    assert!(value(&telemetry, "process_start_time_seconds").is_some_and(|seconds| seconds > 1e9));

    shutdown.finish(Duration::from_secs(5)).await;
    assert_eq!(value(&telemetry, "outbox_leader{schema=\"probe\"}"), Some(0.0));
    assert_eq!(value(&telemetry, "job_leader{job=\"sweep\"}"), Some(0.0));
}

#[tokio::test]
async fn a_database_that_is_away_is_told() {
    let telemetry = telemetry::init(&TelemetryConfig::default()).unwrap();
    let shutdown = Shutdown::new();
    let config = DepsConfig {
        pg: platform::pg::PgConfig { url: "postgres://nobody@127.0.0.1:1/none".into(), ..Default::default() },
        redis: redis_config(),
        rabbit: rabbit_config(),
    };
    deps(&config, &shutdown).await;
    told(&telemetry, "postgres_away", |away| away == 1.0).await;
    shutdown.finish(Duration::ZERO).await;
}
