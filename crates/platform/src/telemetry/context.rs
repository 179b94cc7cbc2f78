//! To which trace the work at hand belongs.
//!
//! With traces on ([`super::traces`]) that is OpenTelemetry's own context: spans made by `tracing`
//! with the target [`TARGET`] are spans of the trace, and so are the router's. With traces off no
//! span is made, and only the names of trace and span are passed on, in logs, events and the audit
//! trail.
//!
//! Between processes and in tables a context is W3C's text, a `traceparent`
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use std::{borrow::Cow, future::Future, time::Duration};

use kernel::source::{IdSource, SystemIds};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        FutureExt as _, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
        TraceFlags, TraceId, TraceState, Tracer as _,
    },
};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::traces;

/// The target of spans that belong to traces. All other spans are for logs only.
pub const TARGET: &str = "marquee.trace";

tokio::task_local! {
    static TRACE: Option<String>;
}

/// Runs `work` on behalf of the work with this `traceparent`, so that events appended by it
/// ([`crate::outbox::append`]) and spans made by it carry the trace on.
pub async fn with_trace<T>(trace: Option<String>, work: impl Future<Output = T>) -> T {
    if !traces::are_on() {
        return TRACE.scope(trace, work).await;
    }
    let parent = remote(trace.as_deref());
    TRACE.scope(trace, work).with_context(parent).await
}

/// Runs `work` in `span`, which goes on with `trace`, or begins a trace. What this is called from is
/// linked when it belongs to another trace.
pub async fn in_span<T>(span: Span, trace: Option<String>, work: impl Future<Output = T>) -> T {
    if span.is_disabled() {
        return with_trace(Some(trace.unwrap_or_else(new_trace)), work).await;
    }
    let parent = remote(trace.as_deref());
    let from = Context::map_current(|context| context.span().span_context().clone());
    let elsewhere = from.is_valid() && from.trace_id() != parent.span().span_context().trace_id();
    // It has not begun yet, so this cannot fail.
    let _ = span.set_parent(parent);
    if elsewhere {
        span.add_link(from);
    }
    work.instrument(span).await
}

/// Runs `work` on behalf of `span` without recording what `work` does: for what would last longer than
/// the span tells of. Call it where no span is entered; those of `work` would keep that one open.
pub async fn unrecorded<T>(span: &Span, work: impl Future<Output = T>) -> T {
    let context = span.context();
    let of = context.span().span_context().clone();
    let (flags, state) = (TraceFlags::default(), TraceState::default());
    let silent = SpanContext::new(of.trace_id(), of.span_id(), flags, false, state);
    work.with_context(Context::new().with_remote_span_context(silent)).await
}

/// A `traceparent` for work that begins here, such as a webhook or a run of a job: version 00, a
/// new trace, which nobody records.
#[must_use]
pub fn new_trace() -> String {
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    // Names of work are no part of it: no test has to decide them.
    SystemIds.fill(&mut trace);
    SystemIds.fill(&mut span);
    format!("00-{:032x}-{:016x}-00", u128::from_be_bytes(trace), u64::from_be_bytes(span))
}

/// The `traceparent` of the work at hand, if any: for what it causes elsewhere.
#[must_use]
pub fn current_trace() -> Option<String> {
    let recorded =
        traces::are_on().then(|| Context::map_current(|context| text(context.span().span_context())));
    recorded.flatten().or_else(|| TRACE.try_with(Clone::clone).ok().flatten())
}

/// The ids of trace and span of the work at hand, as logs show them.
pub(super) fn current_ids() -> Option<(String, String)> {
    let trace = current_trace()?;
    let mut parts = trace.split('-').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// Whether the work at hand is recorded. What has no span around it belongs to nobody's trace, and is
/// not.
pub(crate) fn is_traced() -> bool {
    traces::are_on() && Context::map_current(|context| context.span().span_context().is_sampled())
}

/// Adds something that has just ended, and began `elapsed` ago, to the trace of the work at hand: a
/// call of a server that has no spans of its own. Check [`is_traced`] first.
pub(crate) fn record_call(
    name: impl Into<Cow<'static, str>>,
    elapsed: Duration,
    failed: bool,
    attributes: Vec<KeyValue>,
) {
    let Some(tracer) = traces::tracer() else { return };
    let end = opentelemetry::time::now();
    let span = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_start_time(end.checked_sub(elapsed).unwrap_or(end))
        .with_attributes(attributes);
    let mut span = Context::map_current(|here| tracer.build_with_context(span, here));
    if failed {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(end);
}

/// The context that a `traceparent` stands for; an empty one, for work that begins here, when there
/// is none or it is no such text.
fn remote(trace: Option<&str>) -> Context {
    let context = trace.and_then(parse);
    context.map_or_else(Context::new, |context| Context::new().with_remote_span_context(context))
}

fn parse(trace: &str) -> Option<SpanContext> {
    let mut parts = trace.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may add parts at the end; `ff` is none.
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

fn text(context: &SpanContext) -> Option<String> {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    let text = || format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8());
    context.is_valid().then(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[tokio::test]
    async fn the_trace_is_known_inside_and_not_outside() {
        let seen = with_trace(Some(TRACE_PARENT.to_owned()), async { current_trace() }).await;
        assert_eq!(seen.as_deref(), Some(TRACE_PARENT));
        assert_eq!(current_trace(), None);
    }

    #[tokio::test]
    async fn without_traces_a_span_passes_on_what_came_or_a_new_name() {
        let seen = in_span(Span::none(), Some(TRACE_PARENT.to_owned()), async { current_trace() }).await;
        assert_eq!(seen.as_deref(), Some(TRACE_PARENT));
        let ids = in_span(Span::none(), None, async { current_ids() }).await.expect("a new trace");
        assert_eq!((ids.0.len(), ids.1.len()), (32, 16));
    }

    #[test]
    fn each_new_trace_is_another() {
        let (one, other) = (new_trace(), new_trace());
        assert_ne!(one, other);
        assert!(parse(&one).is_some_and(|context| !context.is_sampled()));
    }

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let check = |trace: &str, read: Option<&str>| {
            assert_eq!(parse(trace).as_ref().and_then(text).as_deref(), read, "{trace}");
        };
        check(TRACE_PARENT, Some(TRACE_PARENT));
        // Flags that we do not know are not passed on, and later versions may say more.
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", Some(TRACE_PARENT));
        check("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", Some(TRACE_PARENT));
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None);
        check("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None);
        check("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None);
        check("", None);
    }
}
