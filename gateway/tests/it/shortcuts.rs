//! Operations that are one fetch go to a subgraph of the gateway's process without the router, from the second
//! time on. Nobody can tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Json, Router, routing::post};
use gateway::{Limits, Outside};
use kernel::SystemClock;
use platform::{Shutdown, http::Direct};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

use crate::{
    guarded::{Guarded, code},
    harness::{Gateway, answer, outside, until, within},
};

/// How many operations of this process took a shortcut.
async fn taken(gateway: &Gateway) -> usize {
    let metrics = within(gateway.http.get(gateway.url("/metrics")).send()).await.unwrap();
    let metrics = within(metrics.text()).await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("gateway_shortcuts_total "));
    line.map_or(0, |count| count.parse().unwrap())
}

fn ask(gateway: &Gateway, body: &Value) -> RequestBuilder {
    gateway.http.post(gateway.url("/graphql")).json(body)
}

/// A gateway that keeps no answers, so that each is made.
async fn plain() -> Gateway {
    Gateway::local(|config| config.answers.enabled = false).await
}

/// A subgraph that gives one answer, and counts how often.
fn says(answer: Value) -> (Router, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = async move || {
        counted.fetch_add(1, SeqCst);
        Json(answer)
    };
    (Router::new().route("/graphql", post(answer)), asked)
}

#[tokio::test]
async fn answers_are_those_of_the_router() {
    let short = plain().await;
    let long = Gateway::local(|config| {
        config.answers.enabled = false;
        config.shortcuts = false;
    })
    .await;
    for gateway in [&short, &long] {
        gateway.booking.slow_may_end.add_permits(1_000);
    }
    let show = "query Q($id: ID!) { show(id: $id) { id title } }";
    let with = |query: &str, variables: Value| json!({ "query": query, "variables": variables });
    let just = |query: &str| json!({ "query": query });
    // An operation, and whether it has a shortcut that is taken with these variables.
    let operations = [
        (just("{ whoami locale }"), true),
        (just("{ you: whoami whoami locale }"), true),
        (just("mutation { slowly }"), true),
        (just("mutation { a: slowly b: slowly }"), true),
        (just("{ show(id: 7) { title id } again: show(id: 8) { id } }"), true),
        (just("{ show(id: 7) { __typename title } }"), true),
        (just("{ show(id: 7) { title id } again: show(id: 8) { title id } }"), true),
        (
            just("{ a: show(id: 7) { title id } b: show(id: 8) { ...S } } fragment S on Show { title id }"),
            true,
        ),
        (just("{ show(id: 7) { ...S } } fragment S on Show { id ... on Show { title } }"), true),
        (with(show, json!({ "id": "1" })), true),
        (with(show, json!({ "id": "\"1\" \u{e9}", "other": [1, { "a": null }] })), true),
        (json!({ "query": format!("{show} query R {{ whoami }}"), "operationName": "R" }), true),
        // What the router refuses, it refuses then, too.
        (with(show, json!({ "id": null })), false),
        (with(show, json!({ "id": 1 })), false),
        (with(show, json!({ "id": { "a": 1 } })), false),
        (with(show, json!({})), false),
        (with(show, json!([1])), false),
        (json!({ "query": "{ whoami locale }", "extensions": {} }), true),
        (json!({ "query": "{ whoami locale }", "extensions": [1] }), false),
        (just(show), false),
        // What it has to do more for.
        (just("{ show(id: 7) { title id } again: show(id: 8) { id title } }"), false),
        (just("{ __typename whoami }"), false),
        (just("{ whoami __schema { queryType { name } } }"), false),
        (just("{ whoami shows { id } }"), false),
        (just("{ show(id: 7) { title available } }"), false),
        (with("query Q($a: Boolean!) { whoami locale @include(if: $a) }", json!({ "a": true })), false),
        (with("query Q($a: Boolean!) { whoami locale @include(if: $a) }", json!({ "a": false })), false),
        // What is not a whole answer.
        (just("{ refused whoami }"), false),
        (just("{ broken }"), false),
        (just("{ nope }"), false),
        (just("{ nope"), false),
    ];
    for (body, is_short) in &operations {
        for time in 0..3 {
            let before = taken(&short).await;
            let send = async |gateway: &Gateway| {
                let request = ask(gateway, body).bearer_auth("t1").header("accept-language", "de");
                let response = within(request.send()).await.unwrap();
                (response.status(), within(response.text()).await.unwrap())
            };
            assert_eq!(send(&short).await, send(&long).await, "{body}");
            let now = taken(&short).await - before;
            if time == 2 {
                assert_eq!(now, usize::from(*is_short), "{body}");
            }
        }
    }
    // The same over sockets, which know them by now.
    let token = json!({ "authorization": "Bearer t1" });
    let (mut one, mut other) = (short.socket(token.clone()).await, long.socket(token).await);
    let before = taken(&short).await;
    for operation in ["{ whoami locale }", "mutation { slowly }", "{ refused whoami }", "{ broken }"] {
        assert_eq!(one.query("1", operation).await, other.query("1", operation).await, "{operation}");
    }
    assert_eq!(taken(&short).await - before, 2);
}

#[tokio::test]
async fn headers_are_those_of_the_router() {
    let (short, long) = (plain().await, Gateway::local(|config| config.shortcuts = false).await);
    for gateway in [&short, &long] {
        gateway.booking.slow_may_end.add_permits(100);
    }
    for operation in ["{ whoami }", "mutation { slowly }"] {
        for _ in 0..2 {
            let send = async |gateway: &Gateway| {
                gateway.booking.seen.lock().unwrap().clear();
                let request = gateway
                    .post(operation)
                    .bearer_auth("t1")
                    .header("origin", "http://localhost:3000")
                    .header("accept-language", "de")
                    .header("x-other", "1")
                    .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
                let response = within(request.send()).await.unwrap();
                let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for (name, value) in response.headers() {
                    told.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
                }
                for of_one in ["date", "x-request-id", "content-length"] {
                    assert!(told.remove(of_one).is_some(), "{of_one}: {told:?}");
                }
                let seen: BTreeSet<String> = gateway.booking.seen.lock().unwrap().clone();
                (response.status(), told, seen)
            };
            assert_eq!(send(&short).await, send(&long).await, "{operation}");
        }
    }
    assert_eq!(taken(&short).await, 2);
}

#[tokio::test]
async fn what_came_of_a_fetch_is_handed_to_the_router() {
    let gateway = plain().await;
    gateway.booking.slow_may_end.add_permits(100);
    let mutation = "mutation { slowly }";
    assert_eq!(gateway.query(mutation).await, json!({ "data": { "slowly": null } }));
    gateway.booking.extensions.set(json!({ "degraded": ["seats"] }));
    let told = json!({ "data": { "slowly": null }, "extensions": { "degraded": ["seats"] } });
    for times in 2..5 {
        assert_eq!(gateway.query(mutation).await, told);
        assert_eq!(gateway.booking.slow_begun(), times, "it was done twice");
    }
    gateway.booking.extensions.set(json!({}));
    assert_eq!(gateway.query(mutation).await, json!({ "data": { "slowly": null } }));
    assert_eq!(taken(&gateway).await, 1);
}

#[tokio::test]
async fn a_subgraph_that_takes_too_long_is_given_up_once() {
    let gateway = Gateway::local(|config| {
        config.answers.enabled = false;
        config.subgraph_timeout_ms = 200;
    })
    .await;
    gateway.booking.slow_may_end.add_permits(1);
    let mutation = "mutation { slowly }";
    assert_eq!(gateway.query(mutation).await, json!({ "data": { "slowly": null } }));
    let late = gateway.query(mutation).await;
    assert_eq!(code(&late), "UNAVAILABLE", "{late}");
    assert_eq!(late["data"], json!({ "slowly": null }));
    assert_eq!(gateway.booking.slow_begun(), 2, "it was begun again");
}

#[tokio::test]
async fn equal_queries_in_flight_are_executed_once_and_mutations_each() {
    let gateway = Arc::new(plain().await);
    gateway.booking.slow_may_end.add_permits(2);
    for operation in ["{ slow }", "mutation { slowly }"] {
        gateway.query(operation).await;
    }
    let send = |operation: &'static str, token: &'static str| {
        let request = gateway.post(operation).bearer_auth(token);
        tokio::spawn(answer(request))
    };
    let first = send("{ slow }", "t1");
    until(|| gateway.booking.slow_begun() == 3).await;
    let joined: Vec<_> = (0..5).map(|_| send("{ slow }", "t1")).collect();
    let other = send("{ slow }", "t2");
    until(|| gateway.booking.slow_begun() == 4).await;
    let changes: Vec<_> = (0..3).map(|_| send("mutation { slowly }", "t1")).collect();
    until(|| gateway.booking.slow_begun() == 7).await;
    gateway.booking.slow_may_end.add_permits(100);
    for answer in joined.into_iter().chain([first]) {
        assert_eq!(answer.await.unwrap(), json!({ "data": { "slow": "Bearer t1" } }));
    }
    assert_eq!(other.await.unwrap(), json!({ "data": { "slow": "Bearer t2" } }));
    for answer in changes {
        assert_eq!(answer.await.unwrap(), json!({ "data": { "slowly": "Bearer t1" } }));
    }
    assert!(gateway.booking.slow_begun() <= 9, "most were shared: {}", gateway.booking.slow_begun());
}

#[tokio::test]
async fn an_answer_for_everybody_is_kept_whichever_way_it_came() {
    let gateway = Gateway::local(|_| {}).await;
    gateway.catalog.cache_control("public, max-age=60");
    let show = |id: &'static str| {
        let query = "query Q($id: ID!) { show(id: $id) { id title } }";
        answer(ask(&gateway, &json!({ "query": query, "variables": { "id": id } })))
    };
    let first = show("1").await;
    let second = show("2").await;
    assert_eq!((gateway.catalog.answers(), taken(&gateway).await), (2, 1));
    assert_ne!(first, second);
    assert_eq!((show("1").await, show("2").await), (first, second));
    assert_eq!(gateway.catalog.answers(), 2, "they were not kept");
    // What is the caller's own is not.
    gateway.catalog.cache_control("private");
    for times in 3..6 {
        show("3").await;
        assert_eq!(gateway.catalog.answers(), times);
    }
}

#[tokio::test]
async fn the_deepest_query_has_room_on_the_stack_of_whoever_asks() {
    let gateway = Gateway::local(|_| {}).await;
    gateway.catalog.cache_control("public, max-age=60");
    let again = Limits::default().depth - 2;
    let (down, up) = ("{ again ".repeat(again), " }".repeat(again));
    let query = format!("query Q($id: ID!) {{ show(id: $id) {down}{{ title }}{up} }}");
    for id in ["1", "2", "3"] {
        let body = json!({ "query": &query, "variables": { "id": id } });
        let answer = answer(ask(&gateway, &body)).await;
        let show = &answer["data"]["show"];
        let deepest = (0..again).fold(show, |show, _| &show["again"]);
        assert_eq!(*deepest, json!({ "title": format!("Show {id}") }), "{answer}");
    }
    assert_eq!(taken(&gateway).await, 2);
}

#[tokio::test]
async fn mutations_by_get_are_refused_as_ever() {
    let gateway = plain().await;
    gateway.booking.slow_may_end.add_permits(100);
    for _ in 0..2 {
        gateway.query("mutation { slowly }").await;
        gateway.query("{ whoami }").await;
    }
    let get = |query: &str| gateway.http.get(gateway.url("/graphql")).query(&[("query", query)]);
    let refused = answer(get("mutation { slowly }").header("accept", "application/json")).await;
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    assert_eq!(gateway.booking.slow_begun(), 2);
    let before = taken(&gateway).await;
    let query = answer(get("{ whoami }").header("accept", "application/json")).await;
    assert_eq!(query, json!({ "data": { "whoami": null } }));
    assert_eq!(taken(&gateway).await - before, 1);
}

#[tokio::test]
async fn whoever_may_not_read_it_all_is_told_by_the_router() {
    let (routes, asked) = says(json!({ "data": { "whoami": "somebody", "locale": null } }));
    let direct = Direct::new(routes, Handle::current(), &Shutdown::new());
    let local = BTreeMap::from([("booking".to_owned(), direct)]);
    let gateway = Guarded::with(Arc::new(SystemClock), Outside { local, ..outside() }, |config| {
        config.rate_limits.enabled = false;
    })
    .await;
    let query = "{ whoami locale }";
    let told = json!({ "data": { "whoami": "somebody", "locale": null } });
    let token = gateway.issuer.person(7, &["CUSTOMER"], 600);
    // What was taken out of it for one says nothing of it.
    assert_eq!(code(&gateway.query(query).await), "UNAUTHENTICATED");
    for times in 2..5 {
        assert_eq!(gateway.ask(query, &token).await, told);
        assert_eq!(asked.load(SeqCst), times);
    }
    assert_eq!(taken(&gateway).await, 2);
    let refused = gateway.query(query).await;
    assert_eq!(code(&refused), "UNAUTHENTICATED", "{refused}");
    assert_eq!(refused["data"], json!({ "whoami": null, "locale": null }));
    let rejected = gateway.ask(query, "nonsense").await;
    assert_eq!(code(&rejected), "UNAUTHENTICATED", "{rejected}");
    assert_eq!(taken(&gateway).await, 2);
}

/// The platform's own schema, with nobody refused.
fn open_schema() -> NamedTempFile {
    const NEEDS: &str = " @requiresScopes(scopes: [";
    let schema: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../schema/supergraph.graphql"].iter().collect();
    let text = std::fs::read_to_string(schema).unwrap();
    let mut parts = text.split(NEEDS);
    let mut open = parts.next().unwrap().to_owned();
    for part in parts {
        if open.ends_with("directive") {
            open += NEEDS;
            open += part;
        } else {
            open += part.split_once(')').unwrap().1;
        }
    }
    let mut file = tempfile::Builder::new().suffix(".graphql").tempfile().unwrap();
    file.write_all(open.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn what_an_operation_may_cost_is_the_same() {
    let (routes, asked) = says(json!({ "data": { "updateShowPrices": { "userErrors": [] } } }));
    let schema = open_schema();
    let gateway = Gateway::local_with(
        |local| drop(local.insert("catalog", routes)),
        |config| {
            config.answers.enabled = false;
            config.supergraph = schema.path().to_path_buf();
            config.limits.cost = 150;
        },
    )
    .await;
    let change = |mutation: &str, prices: usize| {
        let price = json!({ "kind": "STANDARD", "amount": "9.50" });
        let input = json!({ "showId": "show_1", "prices": vec![price; prices] });
        answer(ask(&gateway, &json!({ "query": mutation, "variables": { "input": input } })))
    };
    let fields = "userErrors { message code }";
    let once = format!(
        "mutation($input: UpdateShowPricesInput!) {{ updateShowPrices(input: $input) {{ {fields} }} }}"
    );
    for (prices, times) in [(0, 0), (0, 1), (40, 2), (1_000, 2), (0, 3)] {
        let before = asked.load(SeqCst);
        let answer = change(&once, prices).await;
        let is_cheap = prices < 100;
        assert_eq!(answer["errors"].is_null(), is_cheap, "{answer}");
        assert_eq!(asked.load(SeqCst) - before, usize::from(is_cheap));
        assert_eq!(taken(&gateway).await, times, "{prices}");
    }
    // What one input costs then depends on how often it is used.
    let twice = format!(
        "mutation($input: UpdateShowPricesInput!) {{ updateShowPrices(input: $input) {{ {fields} }} \
         again: updateShowPrices(input: $input) {{ userErrors {{ code }} }} }}"
    );
    for _ in 0..3 {
        change(&twice, 0).await;
    }
    assert_eq!(taken(&gateway).await, 3);
    assert_eq!(code(&change(&twice, 70).await), "BAD_USER_INPUT");
}

#[tokio::test]
async fn what_costs_by_its_arguments_goes_by_the_router() {
    let (routes, asked) = says(json!({ "data": { "movies": { "nodes": [] } } }));
    let schema = open_schema();
    let gateway = Gateway::local_with(
        |local| drop(local.insert("catalog", routes)),
        |config| {
            config.answers.enabled = false;
            config.supergraph = schema.path().to_path_buf();
            config.limits.cost = 150;
        },
    )
    .await;
    let movies = |n: u32| {
        let query = "query($n: Int!) { movies(first: $n) { nodes { id } } }";
        answer(ask(&gateway, &json!({ "query": query, "variables": { "n": n } })))
    };
    for _ in 0..3 {
        assert_eq!(movies(1).await["errors"], Value::Null);
    }
    assert_eq!(code(&movies(1_000).await), "BAD_USER_INPUT");
    assert_eq!((asked.load(SeqCst), taken(&gateway).await), (3, 0));
}

#[tokio::test]
async fn an_operation_takes_no_longer_than_it_may() {
    let with = |shortcuts: bool| {
        Gateway::local(move |config| {
            config.answers.enabled = false;
            config.request_timeout_ms = 300;
            config.shortcuts = shortcuts;
        })
    };
    let (short, long) = (with(true).await, with(false).await);
    let send = async |gateway: &Gateway| {
        let response = within(gateway.post("mutation { slowly }").send()).await.unwrap();
        let (status, kind) = (response.status(), response.headers()["content-type"].clone());
        (status, kind, within(response.json::<Value>()).await.unwrap())
    };
    for gateway in [&short, &long] {
        gateway.booking.slow_may_end.add_permits(1);
        assert_eq!(send(gateway).await.0, 200);
    }
    let late = send(&short).await;
    assert_eq!(late.0, 504);
    assert_eq!(late, send(&long).await);
    assert_eq!(short.booking.slow_begun(), 2, "it was begun again");
}

#[tokio::test]
async fn a_file_of_router_settings_is_for_all_operations() {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(b"limits: { max_depth: { n: 7 } }\n").unwrap();
    let path = file.path().to_path_buf();
    let gateway = Gateway::local(|config| {
        config.answers.enabled = false;
        config.router_config = Some(path);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(gateway.query("{ whoami }").await, json!({ "data": { "whoami": null } }));
    }
    assert_eq!(taken(&gateway).await, 0);
}
