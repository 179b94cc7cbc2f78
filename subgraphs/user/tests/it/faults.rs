//! When PostgreSQL is away.

use platform::pg::PgConfig;
use serde_json::json;

use crate::support::{PASSWORD, World, config, error_code};

#[tokio::test]
async fn without_the_database_everything_is_refused_clearly() {
    // Nothing listens on the discard port.
    let pg = PgConfig {
        url: "postgres://nobody@127.0.0.1:9/nothing".into(),
        acquire_timeout_ms: 100,
        ..PgConfig::default()
    };
    let world = World::over(config(), pg).await;
    let query = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } } }";
    let input = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = world.post(None, query, json!({ "input": input })).await;
    assert_eq!(error_code(&answer), "UNAVAILABLE");
    assert!(!answer.to_string().contains("nobody"), "{answer}");
}
