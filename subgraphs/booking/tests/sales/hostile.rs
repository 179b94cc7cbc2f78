//! Documents that nobody needs, sent to the subgraph itself: it refuses them before it looks into
//! them, and takes what the gateway sends.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::World;

#[tokio::test]
async fn hostile_documents_are_refused_at_once() {
    let world = World::new().await;
    let mut bomb = String::from("{ ...F0 }");
    for level in 0..25 {
        write!(bomb, " fragment F{level} on Query {{ ...F{0} ...F{0} }}", level + 1).unwrap();
    }
    bomb.push_str(" fragment F25 on Query { ticketKeys { id } }");
    let aliases: String = (0..10_000).map(|n| format!("a{n}: ticketKeys {{ id }} ")).collect();
    for (document, words) in [
        (bomb, "selects more than"),
        (format!("{{ {aliases} }}"), "tokens"),
        (
            "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }".to_owned(),
            "spread themselves",
        ),
        ("{a".repeat(10_000), "nests deeper"),
        (format!("{{ ticketKeys(x: {}) }}", "[".repeat(10_000)), "nests deeper"),
        (format!("{{ ticketKeys {} {{ id }} }}", "@skip(if: false) ".repeat(600)), "directives"),
        ("{ __schema { types { name } } }".to_owned(), "describe itself"),
        ("{ _service { sdl } }".to_owned(), "describe itself"),
    ] {
        let began = Instant::now();
        let answer = world.post(None, &document, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{document:.80}");
        assert!(error["message"].as_str().unwrap().contains(words), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(1), "{document:.80}");
    }
    let huge = json!({ "query": "{ ticketKeys { id } }", "variables": { "x": "x".repeat(300_000) } });
    let (status, _) = world.post_raw(None, huge.to_string()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let batch = json!([{ "query": "{ ticketKeys { id } }" }, { "query": "{ ticketKeys { id } }" }]);
    for body in [batch.to_string(), "{".to_owned(), String::new()] {
        let (status, _) = world.post_raw(None, body).await;
        assert!(status.is_client_error(), "{status}");
    }
    let guess = world.post(None, "{ ticketKey { id } }", json!({})).await;
    assert!(!guess.to_string().contains("ticketKeys"), "{guess}");
}

/// What is worth much work is limited, although it is short.
#[tokio::test]
async fn what_lists_multiply_is_limited() {
    let world = World::new().await;
    // All seats of the show, a hundred times.
    let all: String = (0..100)
        .map(|n| format!("s{n}: seats {{ id label index kind state price {{ amount currency }} }} "))
        .collect();
    let document = format!(
        "query($shows: [_Any!]!) {{ _entities(representations: $shows) {{ ... on Show {{ seatMap {{ {all} }} }} }} }}"
    );
    let shows = json!({ "shows": [{ "__typename": "Show", "id": world.show_id() }] });
    let answer = world.post(None, &document, shows).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap_or("").contains("complex"), "{answer:.300}");
}

#[tokio::test]
async fn what_the_gateway_fetches_passes() {
    let world = World::new().await;
    // A page of shows, as the gateway asks for their seats, with a fetch of users beside it.
    let shows: Vec<Value> =
        (0..100).map(|_| json!({ "__typename": "Show", "id": world.show_id() })).collect();
    let document = "query($shows: [_Any!]!, $users: [_Any!]!) {
        _e0: _entities(representations: $shows) {
            __typename
            ... on Show { availability seatMap { epoch version states available prices { kind price { amount currency } } } }
        }
        _e1: _entities(representations: $users) {
            ... on User { bookings(first: 100) { nodes { id reference status seats { id label price { amount currency } } tickets { id code } refunds { id status } } pageInfo { endCursor hasNextPage } } }
        }
    }";
    let user = world.person();
    let users = json!([{ "__typename": "User", "id": user }]);
    let answer = world.post(Some(user), document, json!({ "shows": shows, "users": users })).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    assert_eq!(answer["data"]["_e0"].as_array().unwrap().len(), 100);
}
