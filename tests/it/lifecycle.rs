//! What operators do: look, stop, start anew, run the roles apart.

use serde_json::json;
use tests::{Stack, StackBuilder, http};

#[tokio::test]
async fn the_smoke_check_books_a_ticket_on_split_roles() {
    let stack = StackBuilder::new().split().start().await;
    let said = stack
        .command(&[
            "smoke",
            "--graphql",
            &stack.graphql(),
            "--subscriptions",
            &stack.subscriptions(),
            "--sandbox",
            stack.sandbox().base(),
        ])
        .expect("a booked ticket");
    assert!(said.contains("ticket for seat"), "{said}");
    stack.stop().expect("every role drains");
}

#[tokio::test]
async fn sigterm_drains_and_nothing_is_lost() {
    let mut stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let map = stack.watch(&ada.client, &show).await;
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    stack.restart().await.expect("an orderly end");
    // The socket is gone, the booking is not.
    drop(map);
    let again = ada.booking(booking["id"].as_str().expect("an id")).await;
    assert_eq!(again["status"], "CONFIRMED");
    assert!(stack.seat_states(&show).await.2.starts_with('S'));
}

#[tokio::test]
async fn every_role_tells_how_it_is() {
    let stack = Stack::start().await;
    for role in ["gateway", "catalog", "booking", "user", "worker"] {
        for path in ["health", "ready", "metrics"] {
            let url = format!("{}/{path}", stack.ops(role));
            let answer = http::get(&url).await;
            assert_eq!(answer.status(), 200, "{url}");
        }
    }
    let data = stack.visitor().call("Cities", json!({})).await.expect("an answer").ok().expect("no errors");
    assert!(data["cities"].as_array().is_some_and(|cities| cities.len() >= 12));
}
