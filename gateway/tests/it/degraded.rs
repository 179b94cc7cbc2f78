//! Answers say what a subgraph had to do without.

use serde_json::{Value, json};

use crate::harness::{Gateway, answer, until};

#[tokio::test]
async fn an_answer_says_what_its_subgraph_says() {
    let gateway = Gateway::start().await;
    gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    gateway.booking.slow_may_end.add_permits(2);
    let mut socket = gateway.socket(json!({})).await;
    for (operation, data) in
        [("{ whoami }", json!({ "whoami": null })), ("mutation { slowly }", json!({ "slowly": null }))]
    {
        let expected = json!({ "data": data, "extensions": { "degraded": ["seats"] } });
        assert_eq!(gateway.query(operation).await, expected, "{operation}");
        assert_eq!(socket.query("1", operation).await, expected, "{operation}");
    }
    let refused = gateway.query("{ refused }").await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(refused["extensions"], json!({ "degraded": ["seats"] }));
}

#[tokio::test]
async fn the_names_of_all_subgraphs_become_one_list() {
    let gateway = Gateway::start().await;
    gateway.booking.extensions.set(json!({ "degraded": ["seats", "prices"] }));
    gateway.catalog.set(json!({ "degraded": ["search", "seats"] }));
    for operation in ["{ shows { title available } }", "{ whoami shows { title } }"] {
        let answer = gateway.query(operation).await;
        let degraded = json!({ "degraded": ["prices", "search", "seats"] });
        assert_eq!(answer["extensions"], degraded, "{operation}");
    }
    let answer = gateway.query("{ shows { title } }").await;
    assert_eq!(answer["extensions"], json!({ "degraded": ["search", "seats"] }));
}

#[tokio::test]
async fn nothing_is_said_when_nothing_is_degraded() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    let expected = json!({ "data": { "whoami": null } });
    for extensions in [
        json!({}),
        json!({ "degraded": [] }),
        json!({ "degraded": "seats" }),
        json!({ "degraded": [null, { "seats": true }] }),
        json!({ "tracing": { "host": "10.0.0.7" } }),
    ] {
        gateway.booking.extensions.set(extensions);
        assert_eq!(gateway.query("{ whoami }").await, expected);
        assert_eq!(socket.query("1", "{ whoami }").await, expected);
    }
}

/// Answers that share a request of the gateway say what the one that was made says; equal ones share
/// all, and different ones what they ask of the subgraph.
#[tokio::test]
async fn whoever_shares_an_answer_is_told() {
    for operation in [|_| "{ slow }".to_owned(), |n| format!("{{ slow s{n}: shows {{ id }} }}")] {
        let gateway = Gateway::start().await;
        gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
        let ask = |n: usize| tokio::spawn(answer(gateway.post(&operation(n)).bearer_auth("t1")));
        let mut answers = vec![ask(0)];
        until(|| gateway.booking.slow_begun() == 1).await;
        answers.extend((1..9).map(ask));
        // Some are known to have joined when a later one with another token has got through.
        let other = tokio::spawn(answer(gateway.post("{ slow }").bearer_auth("t2")));
        until(|| gateway.booking.slow_begun() == 2).await;
        gateway.booking.slow_may_end.add_permits(10);
        answers.push(other);
        for answer in answers {
            let answer: Value = answer.await.unwrap();
            assert_eq!(answer["extensions"], json!({ "degraded": ["seats"] }), "{answer}");
        }
        assert!(gateway.booking.slow_begun() < 10, "none was shared");
    }
}

#[tokio::test]
async fn a_subscription_is_told_nothing_but_its_events() {
    let gateway = Gateway::start().await;
    gateway.catalog.set(json!({ "degraded": ["search"] }));
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "subscription { seatMapChanged(showId: 1) { show { title } } }").await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(1);
    let event = json!({ "data": { "seatMapChanged": { "show": { "title": "Show 1" } } } });
    assert_eq!(socket.next("1").await, event);
}
