//! Where an operation stands in a trace: its span begins at the edge, before anything is known of it, so
//! that finding out who asks, and how often they may, is part of the trace.
//!
//! The router begins a span of its own. Its parent is what a `traceparent` says, and without one the span
//! that the router is called in. So that header goes no further than here; what the router asks
//! subgraphs has one again.

use std::future::Future;

use ntex::http::{HeaderMap, header::HeaderName};
use platform::telemetry::{TARGET, in_span, unrecorded};
use tracing::{Span, info_span};

/// The headers of [W3C's trace context](https://www.w3.org/TR/trace-context/).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span of an operation that has not begun yet, and what it goes on with; nothing while traces are
/// off.
pub(crate) struct Trace(Option<(Span, Option<String>)>);

impl Trace {
    /// Of a request with these headers, by a transport.
    pub(crate) fn begin(headers: &mut HeaderMap, transport: &'static str) -> Self {
        // The sampler knows it by its name.
        let span = info_span!(
            target: TARGET,
            "edge",
            "otel.kind" = "server",
            "network.protocol.name" = transport,
        );
        if span.is_disabled() {
            return Self(None);
        }
        let parent = headers.get(TRACEPARENT).and_then(|parent| parent.to_str().ok()).map(str::to_owned);
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        Self(Some((span, parent)))
    }

    /// Does what is part of the operation.
    pub(crate) async fn run<T>(self, work: impl Future<Output = T>) -> T {
        match self.0 {
            None => work.await,
            Some((span, parent)) => in_span(span, parent, work).await,
        }
    }
}

/// The span of a subscription that is opened upstream, under the operation of its first viewer.
pub(crate) fn upstream() -> Span {
    info_span!(target: TARGET, "subscribe")
}

/// Has the router begin a subscription, which the span tells of: it ends when the subscription has begun,
/// and events are in no trace. The router's own spans last as long as the subscription, and keep open
/// what they are in; so they are not recorded, and this has to run in a task of its own.
pub(crate) async fn begins<T>(upstream: Span, work: impl Future<Output = T>) -> T {
    if upstream.is_disabled() {
        return work.await;
    }
    unrecorded(&upstream, work).await
}
