//! HTTPS and sockets over TLS, without a proxy.

use gateway::{Config, Tls};
use platform::Shutdown;
use reqwest::{Certificate, Client};
use serde_json::{Value, json};

use crate::harness::{outside, supergraph, telemetry, within};

fn fixture(name: &str) -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixture/tls", name].iter().collect()
}

#[tokio::test]
async fn the_gateway_serves_https() {
    let mut config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        supergraph: supergraph(),
        tls: Some(Tls { certificate: fixture("first.pem"), key: fixture("first.key.pem") }),
        workers: Some(1),
        ..Config::default()
    };
    config.auth.enabled = false;
    config.rate_limits.enabled = false;
    let listener = gateway::bind(&config).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = Shutdown::new();
    let ended = tokio::spawn(gateway::run(config, outside(), telemetry(), listener, shutdown.clone()));

    let authority = Certificate::from_pem(&std::fs::read(fixture("authority.pem")).unwrap()).unwrap();
    let client = Client::builder().tls_certs_only([authority]).build().unwrap();
    let url = format!("https://localhost:{port}/graphql");
    let response = within(async {
        loop {
            let request = client.post(&url).json(&json!({ "query": "{ __typename }" }));
            if let Ok(response) = request.send().await {
                break response;
            }
        }
    })
    .await;
    assert!(response.headers().contains_key("strict-transport-security"));
    let answer: Value = within(response.json()).await.unwrap();
    assert_eq!(answer["data"], json!({ "__typename": "Query" }));

    shutdown.token().cancel();
    within(ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        supergraph: supergraph(),
        tls: Some(Tls { certificate: fixture("nowhere.pem"), key: fixture("first.key.pem") }),
        ..Config::default()
    };
    let listener = gateway::bind(&config).await.unwrap();
    let error =
        within(gateway::run(config, outside(), telemetry(), listener, Shutdown::new())).await.unwrap_err();
    assert!(
        error.to_string().contains("nowhere.pem") && error.to_string().contains("gateway.tls"),
        "{error}"
    );
}
