//! Somebody watches a show of which nobody buys anything.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::StackBuilder;

/// Longer than booking hears nothing but pings from the gateway before it gives it up.
const QUIET: Duration = Duration::from_secs(35);

#[tokio::test]
async fn a_viewer_of_a_quiet_show_is_live_when_something_happens_at_last() {
    let stack = StackBuilder::new().split().start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let socket = ada.client.socket(&stack.subscriptions()).await.expect("a socket");
    let mut changes =
        socket.subscribe("SeatMapChanged", json!({ "showId": show.id })).expect("a subscription");

    let start = Instant::now();
    while start.elapsed() < QUIET {
        let heartbeat = changes.next().await.expect("a heartbeat").ok().expect("no errors");
        assert_eq!(heartbeat["seatMapChanged"]["changes"], json!([]));
    }
    ada.hold(&show, &show.pick([0])).await.ok();
    let delta = changes.next().await.expect("a delta").ok().expect("no errors");
    assert_eq!(delta["seatMapChanged"]["changes"][0]["state"], "HELD");
}
