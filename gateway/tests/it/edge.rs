//! What else the listener offers: the schema, the explorer, CORS, and routes for machines.

use std::net::TcpListener;

use gateway::{Config, Introspection};
use platform::{Shutdown, Telemetry};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Gateway, answer, outside, supergraph, within};

const INTROSPECTION: &str = include_str!("../fixture/introspection.graphql");

#[tokio::test]
async fn clients_can_read_the_schema() {
    let gateway = Gateway::start().await;
    let answer = gateway.query(INTROSPECTION).await;
    assert_eq!(answer["errors"], json!(null), "{answer}");
    assert_eq!(answer["data"]["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test]
async fn the_schema_and_the_explorer_can_be_kept_back() {
    let gateway = Gateway::with(|config| {
        config.introspection = Some(Introspection::Off);
    })
    .await;
    assert_eq!(gateway.query(INTROSPECTION).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let page = gateway.http.get(gateway.url("/graphql")).header("accept", "text/html,*/*;q=0.8").send();
    assert!(!within(page).await.unwrap().text().await.unwrap().contains("GraphiQL"));
}

#[tokio::test]
async fn a_browser_gets_the_explorer() {
    let gateway = Gateway::start().await;
    let page = gateway.http.get(gateway.url("/graphql")).header("accept", "text/html,*/*;q=0.8").send();
    let page = within(page).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("GraphiQL"));
}

#[tokio::test]
async fn pages_of_known_origins_may_ask() {
    let gateway =
        Gateway::with(|config| config.allowed_origins = vec!["https://marquee.example".to_owned()]).await;
    let preflight = async |origin: &str| {
        let request = gateway
            .http
            .request(Method::OPTIONS, gateway.url("/graphql"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let response = within(request.send()).await.unwrap();
        let allowed = response.headers().get("access-control-allow-origin");
        allowed.map(|allowed| allowed.to_str().unwrap().to_owned())
    };
    for origin in ["https://marquee.example", "http://localhost:3000", "http://127.0.0.1:5173"] {
        assert_eq!(preflight(origin).await.as_deref(), Some(origin));
    }
    assert_ne!(preflight("https://evil.example").await.as_deref(), Some("https://evil.example"));
    let request = gateway.post("{ whoami }").header("origin", "http://localhost:3000");
    let response = within(request.send()).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "http://localhost:3000");
}

#[tokio::test]
async fn a_form_cannot_ask() {
    let gateway = Gateway::start().await;
    let body = r#"{ "query": "mutation { slowly }" }"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = gateway.http.post(gateway.url("/graphql")).header("content-type", kind).body(body);
        assert_eq!(within(request.send()).await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let get = gateway.http.get(gateway.url("/graphql")).query(&[("query", "mutation { slowly }")]);
    assert_eq!(answer(get).await["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(gateway.booking.slow_begun(), 0);
}

#[tokio::test]
async fn machines_are_answered() {
    let gateway = Gateway::start().await;
    let get = async |path: &str| {
        let response = within(gateway.http.get(gateway.url(path)).send()).await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    assert_eq!(get("/health").await, (StatusCode::OK, "alive".to_owned()));
    let (status, ready) = get("/ready").await;
    assert_eq!(status, StatusCode::OK);
    assert!(ready.contains(r#""supergraph":"up""#), "{ready}");
    gateway.query("{ whoami }").await;
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains("http_server_request_duration"), "{metrics}");
    assert_eq!(get("/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_are_for_this_machine() {
    let gateway = Gateway::start().await;
    let metrics = || gateway.http.get(gateway.url("/metrics"));
    assert_eq!(within(metrics().send()).await.unwrap().status(), StatusCode::OK);
    for proxied in ["x-forwarded-for", "forwarded", "via"] {
        let response = within(metrics().header(proxied, "192.0.2.1").send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{proxied}");
    }
}

#[tokio::test]
async fn metrics_can_have_an_address_of_their_own() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::with(|config| config.ops_listen = Some(free)).await;
    gateway.query("{ whoami }").await;
    let get = async |url: String| {
        let response = within(gateway.http.get(url).send()).await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    let (status, metrics) = get(format!("http://{free}/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains("http_server_request_duration"), "{metrics}");
    assert!(metrics.contains("gateway_operations_total"), "{metrics}");
    for path in ["/health", "/ready"] {
        assert_eq!(get(format!("http://{free}{path}")).await.0, StatusCode::OK);
        assert_eq!(get(gateway.url(path)).await.0, StatusCode::OK);
    }
    assert_eq!(get(gateway.url("/metrics")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(format!("http://{free}/graphql")).await.0, StatusCode::NOT_FOUND);
    gateway.shutdown.begin();
    gateway.ended().await.unwrap();
    TcpListener::bind(free).unwrap();
}

#[tokio::test]
async fn an_address_for_metrics_that_is_taken_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        ops_listen: Some(taken.local_addr().unwrap()),
        supergraph: supergraph(),
        ..Config::default()
    };
    let listener = gateway::bind(&config).await.unwrap();
    let run = gateway::run(config, outside(), Telemetry::detached().unwrap(), listener, Shutdown::new());
    let error = within(run).await.unwrap_err().to_string();
    assert!(error.contains("MARQUEE_GATEWAY__OPS_LISTEN"), "{error}");
}
