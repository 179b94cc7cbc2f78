//! A collector of traces: takes spans as the OpenTelemetry collector does, and keeps them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::status::StatusCode as SpanStatus,
};
use prost::Message as _;
use tokio::net::TcpListener;

/// A span that somebody sent.
#[derive(Debug, Clone)]
pub struct Span {
    /// The name.
    pub name: String,
    /// Of what sort: `Server`, `Client`, …
    pub kind: i32,
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// This span's id.
    pub id: String,
    /// The span that caused it; empty if none.
    pub parent: String,
    /// The traces of linked spans.
    pub links: Vec<String>,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// The same.
    pub end: u64,
    /// Attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether it says that it failed.
    pub failed: bool,
}

/// The collector. It ends with the runtime of the test.
#[derive(Debug, Clone)]
pub struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Listens on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listening = TcpListener::bind("127.0.0.1:0").await;
        let listener = listening.unwrap_or_else(|error| panic!("no port for the collector: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { endpoint: format!("http://{address}"), spans }
    }

    /// What `telemetry.traces.endpoint` has to be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All that came so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.spans).clone()
    }

    /// The spans of one trace, in the order in which they began.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let mut spans: Vec<Span> =
            lock(&self.spans).iter().filter(|span| span.trace == trace).cloned().collect();
        spans.sort_by_key(|span| span.start);
        spans
    }
}

fn lock(spans: &Mutex<Vec<Span>>) -> MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let sent = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        name: span.name,
        kind: span.kind,
        trace: hex::encode(span.trace_id),
        id: hex::encode(span.span_id),
        parent: hex::encode(span.parent_span_id),
        links: span.links.into_iter().map(|link| hex::encode(link.trace_id)).collect(),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: span.attributes.into_iter().map(attribute).collect(),
        failed: span.status.is_some_and(|status| status.code == SpanStatus::Error as i32),
    });
    lock(&spans).extend(sent);
    StatusCode::OK
}

fn attribute(attribute: KeyValue) -> (String, String) {
    let value = match attribute.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        _ => String::new(),
    };
    (attribute.key, value)
}

/// Spans as a tree: each line has when the span began, in milliseconds after the first of all, how long
/// it took, and its name, under the span that caused it.
pub fn tree(spans: &[Span]) -> String {
    let known: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let mut children: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let parent = if known.contains(span.parent.as_str()) { span.parent.as_str() } else { "" };
        children.entry(parent).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|span| span.start);
    }
    let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let mut text = String::new();
    branch(&mut text, &children, "", first, 0);
    text
}

fn branch(text: &mut String, children: &BTreeMap<&str, Vec<&Span>>, parent: &str, first: u64, depth: usize) {
    let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    for span in children.get(parent).into_iter().flatten() {
        let begun = milliseconds(span.start.saturating_sub(first));
        let took = milliseconds(span.end.saturating_sub(span.start));
        let failed = if span.failed { " !" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{begun:>9.2} {took:>8.2}  {:indent$}{}{}{failed}",
            "",
            span.name,
            told(span),
            indent = depth * 2
        );
        branch(text, children, &span.id, first, depth + 1);
    }
}

/// What the name of a router's span does not tell.
fn told(span: &Span) -> String {
    let tells = ["graphql.operation.name", "hive.graphql.subgraph.name"];
    if !span.name.starts_with("graphql.") {
        return String::new();
    }
    let told = tells.iter().filter_map(|key| span.attributes.get(*key));
    told.map(|value| format!(" {value}")).collect()
}
