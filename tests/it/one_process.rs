//! All roles in one process: the gateway asks the subgraphs without HTTP.

use tests::{Customer, Stack, StackBuilder, collector::Collector, eventually};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1/graphql";
/// What a browser that records traces sends.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// Spans, and what they are directly under.
const STEPS: [(&str, &str); 4] = [
    ("http.client", "graphql.subgraph.operation"),
    ("POST /graphql", "http.client"),
    ("mutation holdSeats", "POST /graphql"),
    ("EVALSHA hold", "mutation holdSeats"),
];

#[tokio::test]
async fn a_process_asks_itself_directly_and_its_traces_are_whole() {
    let collector = Collector::start().await;
    let stack = StackBuilder::new()
        .set("gateway.subgraph_urls.catalog", NOWHERE)
        .set("gateway.subgraph_urls.booking", NOWHERE)
        .set("gateway.subgraph_urls.user", NOWHERE)
        .set("telemetry.traces.endpoint", collector.endpoint())
        .start()
        .await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let browser = Customer { client: ada.client.with_trace(traceparent), ..ada.clone() };
    browser.hold(&show, &show.pick([0, 1])).await.ok();

    eventually("every step is in the trace", async || {
        let spans = collector.trace(TRACE);
        let found = |(step, cause): &(&str, &str)| {
            spans.iter().filter(|span| span.name.starts_with(step)).any(|span| {
                spans.iter().any(|above| above.id == span.parent && above.name.starts_with(cause))
            })
        };
        let missing: Vec<_> = STEPS.iter().filter(|step| !found(step)).collect();
        missing.is_empty().then_some(())
    })
    .await;
}

/// How many operations went to their subgraph without the router between.
async fn shortcuts(stack: &Stack) -> f64 {
    stack.metrics("gateway").await.sum("gateway_shortcuts_total", &[]).unwrap_or_default()
}

#[tokio::test]
async fn what_people_do_with_seats_goes_straight_to_booking_once_it_is_known() {
    let stack = StackBuilder::new().start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let mut before = 0.0;
    for seats in [[0, 1], [2, 3]] {
        before = shortcuts(&stack).await;
        let hold = ada.hold(&show, &show.pick(seats)).await.ok();
        ada.extend(&hold).await.ok();
        ada.release(&hold).await.ok();
        let hold = ada.hold(&show, &show.pick(seats)).await.ok();
        let checkout = ada.checkout(&hold).await.ok();
        ada.cancel(checkout["booking"]["id"].as_str().expect("an id")).await.ok();
    }
    assert_eq!(shortcuts(&stack).await - before, 6.0);
}
