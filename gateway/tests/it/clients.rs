//! The operations that clients use, against the supergraph of the platform: no limit stands in their way.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Gateway, answer};

fn schema(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../schema", file].iter().collect()
}

#[tokio::test]
async fn queries_of_clients_pass_every_limit_by_far() {
    let gateway = Gateway::with(|config| {
        config.supergraph = schema("supergraph.graphql");
        config.limits.cost /= 4;
    })
    .await;
    let variables = json!({
        "cityId": "city_1", "movieId": "movie_1", "showId": "show_1", "id": "show_1", "first": 20,
        "date": "2026-12-01", "text": "dune",
    });
    let manifest: Value =
        serde_json::from_str(&gateway::manifest(&[schema("operations.graphql")]).unwrap()).unwrap();
    let introspection = include_str!("../fixture/introspection.graphql");
    let operations = manifest["operations"].as_array().unwrap().iter();
    let texts = operations.map(|operation| operation["body"].as_str().unwrap()).chain([introspection]);
    let mut passed = 0;
    for text in texts.filter(|text| text.contains("query ")) {
        let request = gateway.http.post(gateway.url("/graphql"));
        let answer = answer(request.json(&json!({ "query": text, "variables": variables }))).await;
        // Subgraphs are not there, which is known only after all limits.
        let codes: Vec<_> = answer["errors"].as_array().into_iter().flatten().collect();
        let refused = codes.iter().any(|error| error["extensions"]["code"] == "BAD_USER_INPUT");
        assert!(!refused, "{text}: {answer}");
        passed += 1;
    }
    assert!(passed > 5, "only {passed} queries were found");
}
