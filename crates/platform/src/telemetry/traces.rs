//! Where spans go: to a collector, by OTLP over HTTP.
//!
//! Spans are handed over in batches by a thread of their own. Its queue is bounded: a collector that
//! is away or slow costs spans, never requests.

use std::{sync::OnceLock, time::Duration};

use axum::http::Uri;
use garde::Validate;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanKind, TraceContextExt as _, TraceId, TracerProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource, runtime,
    trace::{
        BatchConfigBuilder, Sampler, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
        span_processor_with_async_runtime::BatchSpanProcessor,
    },
};
use serde::Deserialize;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::{context::TARGET, private::Private};

/// The target of the router's spans.
const ROUTER: &str = "hive-router";
/// The gateway's span of an operation from outside, which begins before the router has it.
const EDGE: &str = "edge";
/// The router's first span. It is the first of all where the router alone answers, as with the
/// explorer.
const ROUTERS_FIRST: &str = "http.server";
/// The targets of sea-orm's spans begin so. Those of statements say less than
/// [`crate::pg`] does; the others are of transactions.
const SEA_ORM: &str = "sea_orm";
/// Of these, the ones that are part of traces. They are renamed when they leave ([`super::private`]).
pub(super) const TRANSACTIONS: [(&str, &str); 3] =
    [("sea_orm.begin", "BEGIN"), ("sea_orm.commit", "COMMIT"), ("sea_orm.rollback", "ROLLBACK")];
/// Spans of libraries that are parts of something: without it they would be traces of one span each.
/// (The router fetches what an event of a subscription needs in nobody's span.)
const PARTS: [&str; 3] = ["sea_orm.", "graphql.", "http.client"];
/// Where OTLP over HTTP takes spans
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
const PATH: &str = "v1/traces";
/// Spans that leave together, at the most.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);

/// Section `[telemetry.traces]`.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector, such as `http://127.0.0.1:4318`, which gets spans at `/v1/traces` under it.
    /// Without it there are no spans at all.
    #[garde(custom(endpoint_is_valid))]
    pub endpoint: Option<String>,
    /// What the spans' `service.name` is.
    #[garde(length(min = 1, max = 64))]
    pub service_name: String,
    /// The share of traces that is recorded. Whoever is called follows the decision of the caller;
    /// but what comes to the gateway is decided there, whatever clients wish.
    #[garde(range(min = 0.0, max = 1.0))]
    pub sample_ratio: f64,
    /// Spans that wait to be sent; more are dropped.
    #[garde(range(min = 1, max = 1_000_000))]
    pub queue: usize,
    /// Milliseconds that the collector has to take a batch; also what the end of the process waits
    /// for the last one.
    #[garde(range(min = 100, max = 60_000))]
    pub timeout_ms: u64,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            service_name: "marquee".to_owned(),
            sample_ratio: 1.0,
            queue: 16_384,
            timeout_ms: 5_000,
        }
    }
}

impl TracesConfig {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn endpoint_is_valid(endpoint: &Option<String>, _: &()) -> garde::Result {
    let Some(endpoint) = endpoint else { return Ok(()) };
    let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    match endpoint.parse::<Uri>() {
        Ok(uri) if is_http(&uri) => Ok(()),
        _ => Err(garde::Error::new("not an address such as `http://127.0.0.1:4318`")),
    }
}

/// Set once, with the subscriber.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Whether this process has spans.
pub(super) fn are_on() -> bool {
    TRACER.get().is_some()
}

pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The way of spans from here to the collector, which ends with it.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    timeout: Duration,
}

impl Traces {
    /// Begins, unless there is nowhere to send spans to.
    pub(super) fn start(config: &TracesConfig) -> Result<Option<Self>, ExporterBuildError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(config.timeout())
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue)
            .with_max_export_batch_size(BATCH.min(config.queue))
            .with_max_export_timeout(config.timeout())
            .with_scheduled_delay(DELAY)
            .build();
        // A runtime of its own: the exporter's client needs one, and must not be in the way of work.
        let processor = BatchSpanProcessor::builder(Private(exporter), runtime::TokioCurrentThread)
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(EdgeDecides::new(config.sample_ratio))
            .with_resource(resource)
            .build();
        // A second one in the same process is for tests; the first stays.
        let _ = TRACER.set(provider.tracer("marquee"));
        Ok(Some(Self { provider, timeout: config.timeout() }))
    }

    /// What makes spans of traces from those of `tracing`.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("marquee"))
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what still waits.
    pub(super) async fn finish(self) {
        let (done, ended) = tokio::sync::oneshot::channel();
        let (provider, timeout) = (self.provider, self.timeout);
        // It blocks; and the end of the process must not wait for it longer than this.
        std::thread::spawn(move || {
            let _ = done.send(provider.shutdown_with_timeout(timeout));
        });
        match tokio::time::timeout(timeout, ended).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last spans were not taken by the collector"),
        }
    }
}

/// Spans of traces.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let ours = || matches!(metadata.target(), TARGET | ROUTER);
    let transaction = || TRANSACTIONS.iter().any(|(name, _)| *name == metadata.name());
    metadata.is_span() && *metadata.level() <= Level::INFO && (ours() || transaction())
}

/// Everything else, but for sea-orm's other spans, which are for nobody.
pub(super) fn is_of_logs(metadata: &Metadata<'_>) -> bool {
    let nobodys = || metadata.is_span() && metadata.target().starts_with(SEA_ORM);
    !(is_traced(metadata) || nobodys())
}

/// The gateway decides by its own ratio, so that no client can have all of its requests recorded;
/// everybody else follows whoever called. What is only a part of something is not recorded alone.
#[derive(Clone, Debug)]
struct EdgeDecides {
    by_ratio: Sampler,
    by_parent: Sampler,
}

impl EdgeDecides {
    fn new(ratio: f64) -> Self {
        let by_ratio = Sampler::TraceIdRatioBased(ratio);
        Self { by_parent: Sampler::ParentBased(Box::new(by_ratio.clone())), by_ratio }
    }
}

impl ShouldSample for EdgeDecides {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let known = parent.map(|parent| parent.span().span_context().clone());
        let known = known.filter(SpanContext::is_valid);
        if known.is_none() && PARTS.iter().any(|part| name.starts_with(part)) {
            return Sampler::AlwaysOff.should_sample(parent, trace, name, kind, attributes, links);
        }
        let is_edge = match name {
            EDGE => true,
            ROUTERS_FIRST => known.is_none_or(|parent| parent.is_remote()),
            _ => false,
        };
        let sampler = if is_edge { &self.by_ratio } else { &self.by_parent };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    #[test]
    fn the_collector_has_an_address() {
        let check = |endpoint: Option<&str>, valid: bool| {
            let endpoint = endpoint.map(str::to_owned);
            assert_eq!(endpoint_is_valid(&endpoint, &()).is_ok(), valid, "{endpoint:?}");
        };
        check(None, true);
        check(Some("http://127.0.0.1:4318"), true);
        check(Some("https://collector.example/otlp/"), true);
        check(Some("127.0.0.1:4318"), false);
        check(Some("grpc://127.0.0.1:4317"), false);
        check(Some(""), false);
    }

    /// Whether a span is recorded that has this parent: its flags, and whether it is of another process.
    fn is_recorded(ratio: f64, parent: Option<(TraceFlags, bool)>, name: &str) -> bool {
        let trace = TraceId::from_bytes([7; 16]);
        let parent = parent.map(|(flags, remote)| {
            let span = SpanId::from_bytes([7; 8]);
            let parent = SpanContext::new(trace, span, flags, remote, TraceState::default());
            Context::new().with_remote_span_context(parent)
        });
        let sampler = EdgeDecides::new(ratio);
        let sampled = sampler.should_sample(parent.as_ref(), trace, name, &SpanKind::Server, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn clients_cannot_make_the_gateway_record_and_callers_are_followed() {
        let (yes, no) = (TraceFlags::SAMPLED, TraceFlags::default());
        for edge in [EDGE, ROUTERS_FIRST] {
            assert!(!is_recorded(0.0, Some((yes, true)), edge));
            assert!(is_recorded(1.0, Some((no, true)), edge));
            assert!(is_recorded(1.0, None, edge));
        }
        for follower in ["POST /graphql", "sea_orm.commit", "http.client"] {
            assert!(is_recorded(0.0, Some((yes, true)), follower));
            assert!(!is_recorded(1.0, Some((no, true)), follower));
        }
        // The router follows the gateway in whose span it is.
        assert!(is_recorded(0.0, Some((yes, false)), ROUTERS_FIRST));
        assert!(!is_recorded(1.0, Some((no, false)), ROUTERS_FIRST));
    }

    #[test]
    fn parts_are_no_traces_of_their_own() {
        for part in ["sea_orm.begin", "graphql.subgraph.operation", "http.client"] {
            assert!(!is_recorded(1.0, None, part), "{part}");
        }
        assert!(is_recorded(1.0, None, "job users-api-key-usage"));
    }
}
