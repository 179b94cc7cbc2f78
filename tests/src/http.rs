//! Plain HTTP, for what is not GraphQL.

use std::time::Duration;

/// A client that gives up after a while.
///
/// # Panics
/// When the machine has no usable TLS set-up.
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(30));
    builder.build().unwrap_or_else(|error| panic!("no HTTP client: {error}"))
}

/// Reads `url`.
///
/// # Panics
/// When nobody answers.
pub async fn get(url: &str) -> reqwest::Response {
    client().get(url).send().await.unwrap_or_else(|error| panic!("{url} does not answer: {error}"))
}
