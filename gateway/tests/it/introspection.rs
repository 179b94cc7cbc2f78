//! Who may read the schema where that is for partners, and what the explorer needs to work there.

use std::sync::Arc;

use gateway::Introspection;
use kernel::SystemClock;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    guarded::{Guarded, bearer, code},
    harness::{answer, outside, within},
};

const INTROSPECTION: &str = include_str!("../fixture/introspection.graphql");

async fn keyed() -> Guarded {
    Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.rate_limits.enabled = false;
        config.introspection = Some(Introspection::Keyed);
    })
    .await
}

fn key(gateway: &Guarded) -> String {
    let limits = json!({ "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 });
    gateway.issuer.partner("catalog:read", limits)
}

#[track_caller]
fn is_schema(answer: &Value) {
    assert!(answer["errors"].is_null(), "{answer}");
    let types = answer["data"]["__schema"]["types"].as_array().unwrap();
    assert!(types.iter().any(|kind| kind["name"] == "SeatMapDelta"), "{answer}");
}

#[tokio::test]
async fn a_partner_reads_the_schema_with_the_key() {
    let gateway = keyed().await;
    let key = key(&gateway);
    is_schema(&answer(gateway.post_with_key(INTROSPECTION, &key)).await);
    is_schema(&answer(gateway.post(INTROSPECTION).bearer_auth(&key)).await);
    let mut socket = gateway.socket(json!({ "x-api-key": key })).await;
    is_schema(&socket.query("1", INTROSPECTION).await);
    let name = answer(gateway.post_with_key(r#"{ __type(name: "Show") { name } }"#, &key)).await;
    assert_eq!(name["data"]["__type"]["name"], "Show");
}

#[tokio::test]
async fn so_do_people_of_the_house() {
    let gateway = keyed().await;
    for role in ["STAFF", "MANAGER", "ADMIN"] {
        let token = gateway.issuer.person(1, &["CUSTOMER", role], 60);
        is_schema(&gateway.ask(INTROSPECTION, &token).await);
    }
}

#[tokio::test]
async fn nobody_else_does() {
    let gateway = keyed().await;
    let customer = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let expired = gateway.issuer.person(2, &["ADMIN"], -1);
    for query in [INTROSPECTION, r#"{ show(id: 1) { title } __type(name: "Show") { name } }"#] {
        for token in [None, Some(&customer), Some(&expired)] {
            let request = gateway.post(query);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let response = within(request.send()).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            let refused: Value = within(response.json()).await.unwrap();
            assert_eq!(code(&refused), "FORBIDDEN");
            assert!(refused.to_string().contains("API key"), "{refused}");
            assert!(refused["data"].is_null(), "{refused}");
        }
    }
    let get = gateway.http.get(gateway.url("/graphql")).query(&[("query", INTROSPECTION)]);
    assert_eq!(code(&answer(get).await), "FORBIDDEN");
    for payload in [json!({}), bearer(&customer)] {
        let mut socket = gateway.socket(payload).await;
        socket.subscribe("1", INTROSPECTION).await;
        let refused = socket.message().await;
        assert_eq!(refused["payload"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
        // The socket goes on.
        assert!(socket.query("2", "{ show(id: 1) { title } }").await["errors"].is_null());
    }
    // What every client asks for tells nothing of the schema.
    let names = gateway.query("{ __typename show(id: 1) { __typename title } }").await;
    assert_eq!(names["data"]["show"]["__typename"], "Show", "{names}");
}

#[tokio::test]
async fn whoever_goes_public_keeps_it_for_partners_without_saying_so() {
    let gateway = Guarded::with(Arc::new(SystemClock), outside(), |config| {
        config.rate_limits.enabled = false;
        config.public_url = "https://api.marquee.example".parse().unwrap();
    })
    .await;
    assert_eq!(code(&gateway.query(INTROSPECTION).await), "FORBIDDEN");
    is_schema(&answer(gateway.post_with_key(INTROSPECTION, &key(&gateway))).await);
}

/// The page is for everybody. It asks for the schema with the headers that its user types in, and a page
/// of another origin may do so too where that is allowed.
#[tokio::test]
async fn the_explorer_works_with_a_key_and_not_without() {
    let gateway = keyed().await;
    let page = gateway.http.get(gateway.url("/graphql")).header(header::ACCEPT, "text/html,*/*;q=0.8");
    assert!(within(page.send()).await.unwrap().text().await.unwrap().contains("GraphiQL"));
    let own = "http://127.0.0.1:4000";
    let ask =
        || gateway.post(INTROSPECTION).header(header::ORIGIN, own).header("sec-fetch-site", "same-origin");
    assert_eq!(code(&answer(ask()).await), "FORBIDDEN");
    is_schema(&answer(ask().header("x-api-key", key(&gateway))).await);

    let elsewhere = "http://localhost:3000";
    let preflight = gateway
        .http
        .request(Method::OPTIONS, gateway.url("/graphql"))
        .header(header::ORIGIN, elsewhere)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-api-key");
    let allowed = within(preflight.send()).await.unwrap();
    assert_eq!(allowed.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], elsewhere);
    let names = allowed.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    assert!(names.contains("x-api-key"), "{names}");
}
