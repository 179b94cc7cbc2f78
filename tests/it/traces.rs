//! One booking is one trace: from the browser to the provider and back, and on to the mail.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use tests::{
    Customer, StackBuilder,
    collector::{Collector, Span, tree},
    eventually, mail,
    sandbox::GOOD_CARD,
};
use tokio::time::timeout;

/// What a browser that records traces sends.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const BROWSERS_SPAN: &str = "b7ad6b7169203331";

/// Each step that has to be there, by the beginning of its name, and the step that it has to be under.
const STEPS: [(&str, &str); 16] = [
    // The gateway: first it finds out who asks, and how often they may.
    ("edge", ""),
    ("EVALSHA rate_limits", "edge"),
    ("http.server", "edge"),
    ("graphql.operation", "http.server"),
    ("http.client", "graphql.subgraph.operation"),
    // The subgraph, PostgreSQL and Redis.
    ("POST /graphql", "http.client"),
    ("mutation checkout", "POST /graphql"),
    ("EVALSHA hold", "mutation holdSeats"),
    ("INSERT booking.bookings", "mutation checkout"),
    ("EVALSHA apply", "mutation checkout"),
    // The provider, and what it tells later.
    ("payment provider intent_create", "mutation checkout"),
    ("webhook payment_intent.succeeded", "mutation checkout"),
    // The outbox, RabbitMQ and the worker.
    ("publish payment.succeeded", "webhook payment_intent.succeeded"),
    ("process booking.payments", "publish payment.succeeded"),
    ("publish booking.confirmed", "process booking.payments"),
    // The mail.
    ("send mail", "deliver booking.confirmed"),
];

#[tokio::test]
async fn one_booking_is_one_trace() {
    let collector = Collector::start().await;
    let stack = StackBuilder::new()
        .split()
        .set("telemetry.traces.endpoint", collector.endpoint())
        .set("telemetry.format", "json")
        .set("gateway.rate_limits.enabled", true)
        .start()
        .await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let traceparent = format!("00-{TRACE}-{BROWSERS_SPAN}-01");
    let browser = Customer { client: ada.client.with_trace(traceparent), ..ada.clone() };
    let hold = browser.hold(&show, &show.pick([0, 1])).await.ok();
    let checkout = browser.checkout(&hold).await.ok();
    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");
    let id = checkout["booking"]["id"].as_str().expect("a booking id");
    let booking = ada.booking_in(id, "CONFIRMED").await;
    mail::expect(&stack.mail_dir(), &ada.email, "svg").await;

    let spans = eventually("every step is in the trace", async || {
        let spans = collector.trace(TRACE);
        let missing: Vec<_> =
            STEPS.iter().filter(|(step, _)| !spans.iter().any(|span| span.name.starts_with(step))).collect();
        missing.is_empty().then_some(spans)
    })
    .await;
    eprintln!("{}", tree(&spans));
    for (step, cause) in STEPS {
        let under =
            |span: &Span| cause.is_empty() || causes(&spans, span).any(|above| above.starts_with(cause));
        let found = spans.iter().any(|span| span.name.starts_with(step) && under(span));
        assert!(found, "{step} is not under {cause}:\n{}", tree(&spans));
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let lost: Vec<_> = spans
        .iter()
        .filter(|span| span.parent != BROWSERS_SPAN && !ids.contains(span.parent.as_str()))
        .map(|span| &span.name)
        .collect();
    assert!(lost.is_empty(), "these hang in the air: {lost:?}\n{}", tree(&spans));

    // What takes several statements shows where it begins and what its end costs.
    // Each process tells of its spans when it comes to it.
    for step in ["BEGIN", "COMMIT"] {
        eventually(format_args!("{step} of Ada's sign-up"), async || {
            let all = collector.spans();
            let under = |span: &Span| causes(&all, span).any(|above| above == "mutation signUp");
            all.iter().any(|span| span.name == step && under(span)).then_some(())
        })
        .await;
    }

    // The request that brought the webhook knew nothing of the booking. It is a trace of its own, and
    // the two know of each other.
    let webhook = spans.iter().find(|span| span.name.starts_with("webhook ")).expect("the webhook");
    let request = webhook.links.first().expect("a link to the request");
    eventually("the request of the webhook", async || {
        collector.trace(request).iter().any(|span| span.name == "POST /webhooks/stripe").then_some(())
    })
    .await;

    // Nobody learns from spans who booked what.
    let reference = booking["reference"].as_str().expect("a reference");
    for span in collector.spans() {
        for (key, value) in &span.attributes {
            let personal = [ada.email.as_str(), &ada.id, reference, "127.0.0.1:"];
            let told = personal.iter().any(|secret| value.contains(secret)) && key != "url.full";
            assert!(!told, "{} tells {key} = {value}", span.name);
            assert!(
                !key.starts_with("client.") && !key.starts_with("user_agent"),
                "{} tells {key}",
                span.name
            );
        }
    }

    // Logs say what belongs to the trace, and nothing of the person either.
    let logs = stack.logs().expect("logs");
    assert!(!logs.contains(&ada.email), "an address in the logs");
    let traced = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        line["trace_id"] == TRACE && line["span_id"].is_string() && line["message"] == "booking pending"
    };
    assert!(logs.lines().any(traced), "no line of the trace");
}

/// The beginning of a subscription is part of what its client does; events are of nobody in particular.
#[tokio::test]
async fn a_subscription_is_in_the_trace_until_it_has_begun() {
    let collector = Collector::start().await;
    let stack = StackBuilder::new().set("telemetry.traces.endpoint", collector.endpoint()).start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let query = "subscription($show: ID!) { seatMapChanged(showId: $show) { version } }";
    let request = tests::http::client().post(stack.graphql()).header("accept", "text/event-stream");
    let request = request.header("traceparent", format!("00-{TRACE}-{BROWSERS_SPAN}-01"));
    let mut events = request
        .json(&json!({ "query": query, "variables": { "show": show.id } }))
        .send()
        .await
        .expect("a stream of events");
    // Seats change until one change is seen: the first may come before the subscription takes force.
    for index in 0.. {
        let hold = ada.hold(&show, &show.pick([index % 8])).await.ok();
        ada.release(&hold).await.ok();
        let chunk = timeout(Duration::from_millis(500), events.chunk()).await;
        if chunk.is_ok_and(|chunk| chunk.expect("the stream").expect("an event").starts_with(b"event: next"))
        {
            break;
        }
    }
    let spans = eventually("the beginning is in the trace", async || {
        let spans = collector.trace(TRACE);
        ["edge", "subscribe"].iter().all(|name| spans.iter().any(|span| span.name == *name)).then_some(spans)
    })
    .await;
    let of = |name: &str| spans.iter().find(|span| span.name == name).expect("the span");
    // The browser's own trace, and nothing in it that would last as long as the subscription.
    assert_eq!(of("edge").parent, BROWSERS_SPAN);
    assert_eq!(of("subscribe").parent, of("edge").id);
    assert_eq!(spans.len(), 2, "{}", tree(&spans));
    drop(events);
    let alone = ["sea_orm.", "BEGIN", "COMMIT", "graphql.", "http.client"];
    for span in collector.spans().iter().filter(|span| span.parent.is_empty()) {
        assert!(!alone.iter().any(|name| span.name.starts_with(name)), "{} is in no trace", span.name);
    }
}

/// The names of all that led to a span.
fn causes<'s>(spans: &'s [Span], span: &'s Span) -> impl Iterator<Item = &'s str> {
    let above = |span: &Span| spans.iter().find(|other| other.id == span.parent);
    std::iter::successors(above(span), move |span| above(span)).map(|span| span.name.as_str())
}
