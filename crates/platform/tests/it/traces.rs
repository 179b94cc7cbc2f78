//! Spans on their way to a collector. That one booking is one trace, a journey shows.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use platform::{
    Telemetry, pg,
    telemetry::{self, TARGET, TelemetryConfig, TracesConfig, current_trace, in_span, with_trace},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::net::TcpListener;

use crate::support::{database, within};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What arrived, as it came. Names stand in it as they are.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Collector {
    async fn start(&self) -> String {
        async fn take(State(collector): State<Collector>, body: Bytes) {
            collector.0.lock().unwrap().extend_from_slice(&body);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/")
    }

    fn has(&self, text: &str) -> bool {
        self.0.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn init(traces: TracesConfig) -> Telemetry {
    telemetry::init(&TelemetryConfig { traces, ..TelemetryConfig::default() }).unwrap()
}

#[tokio::test]
async fn what_was_recorded_leaves_before_the_process_ends() {
    let collector = Collector::default();
    let endpoint = Some(collector.start().await);
    let telemetry = init(TracesConfig { endpoint, ..TracesConfig::default() });
    let pg = pg::connect(&database().await).await.unwrap();
    let ask = async || {
        let sql = "select $1::text as secret, count(*) from probe.outbox";
        let values = ["sesame".into()];
        pg.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await.unwrap();
    };
    let parent = |sampled: &str| Some(format!("00-{TRACE}-b7ad6b7169203331-{sampled}"));

    let wanted = tracing::info_span!(target: TARGET, "wanted");
    let inside = in_span(wanted, parent("01"), async {
        ask().await;
        current_trace().unwrap()
    })
    .await;
    assert!(inside.starts_with(&format!("00-{TRACE}-")) && inside.ends_with("-01"), "{inside}");
    assert!(!inside.contains("b7ad6b7169203331"), "the span is the caller's: {inside}");

    // Whoever called does not record this, and nobody asked for that.
    let unwanted = tracing::info_span!(target: TARGET, "not wanted");
    let inside = in_span(unwanted, parent("00"), async { current_trace().unwrap() }).await;
    assert!(inside.ends_with("-00"), "{inside}");
    with_trace(parent("00"), ask()).await;
    tracing::info_span!("only for logs").in_scope(|| tracing::info!("a line"));

    telemetry.finish().await;
    for recorded in ["wanted", "SELECT probe.outbox", "service.name"] {
        assert!(collector.has(recorded), "{recorded} is not there");
    }
    for kept in ["not wanted", "only for logs", "a line", "sesame"] {
        assert!(!collector.has(kept), "{kept} was sent");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_only() {
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let telemetry = init(TracesConfig { endpoint, queue: 16, timeout_ms: 200, ..TracesConfig::default() });
    for _ in 0..1_000 {
        let span = tracing::info_span!(target: TARGET, "lost");
        in_span(span, None, async {}).await;
    }
    within("the end", tokio::time::timeout(Duration::from_secs(5), telemetry.finish())).await.unwrap();
}
