//! A gateway that knows its callers: tokens are verified, and fields of its supergraph need scopes.

use std::{io::Write, ops::Deref, sync::Arc};

use gateway::{Config, Outside};
use kernel::{ManualClock, SharedClock, SystemClock};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    harness::{Gateway, answer, outside, supergraph},
    issuer::Issuer,
};

/// What the fields of the fixture need here.
const NEEDS: [(&str, &str); 4] = [
    ("  whoami: String", r#"[["holds:write"]]"#),
    ("  slow: String", r#"[["account"]]"#),
    ("  slowly: String", r#"[["role:manager"], ["role:admin"]]"#),
    ("  bookingChanged(id: ID!): Booking", r#"[["bookings:write"]]"#),
];

/// A gateway and who makes its tokens.
pub struct Guarded {
    pub gateway: Gateway,
    pub issuer: Issuer,
    _supergraph: NamedTempFile,
}

impl Deref for Guarded {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Guarded {
    /// In real time, without rate limits.
    pub async fn start() -> Self {
        Self::with(Arc::new(SystemClock), outside(), |config| config.rate_limits.enabled = false).await
    }

    /// At a time that the test decides, without rate limits.
    pub async fn at(clock: &Arc<ManualClock>) -> Self {
        let clock = Arc::clone(clock) as SharedClock;
        let outside = Outside { clock: Arc::clone(&clock), ..outside() };
        Self::with(clock, outside, |config| config.rate_limits.enabled = false).await
    }

    pub async fn with(clock: SharedClock, outside: Outside, change: impl FnOnce(&mut Config)) -> Self {
        let issuer = Issuer::start(clock).await;
        let supergraph = guarded_supergraph();
        let gateway = Gateway::outside(outside, |config| {
            issuer.configure(config);
            config.supergraph = supergraph.path().to_path_buf();
            change(config);
        })
        .await;
        Self { gateway, issuer, _supergraph: supergraph }
    }

    /// The answer to an operation with a token.
    pub async fn ask(&self, query: &str, token: &str) -> Value {
        answer(self.post(query).bearer_auth(token)).await
    }

    /// A request with an API key.
    pub fn post_with_key(&self, query: &str, key: &str) -> RequestBuilder {
        self.post(query).header("x-api-key", key)
    }
}

/// The code of the only error.
pub fn code(answer: &Value) -> &str {
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

/// `connection_init` with a token.
pub fn bearer(token: &str) -> Value {
    json!({ "authorization": format!("Bearer {token}") })
}

/// The supergraph of the fixture, as composition would write it for subgraphs with needs.
fn guarded_supergraph() -> NamedTempFile {
    let mut sdl = std::fs::read_to_string(supergraph()).unwrap();
    for (field, scopes) in NEEDS {
        let guarded = format!("{field} @requiresScopes(scopes: {scopes})");
        assert!(sdl.contains(field), "{field}");
        sdl = sdl.replacen(field, &guarded, 1);
    }
    let link = r#"@link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY) {"#;
    sdl = sdl.replacen(" {", &format!(" {link}"), 1);
    sdl += "\nscalar requiresScopes__Scope\n\ndirective @requiresScopes(scopes: \
            [[requiresScopes__Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM\n";
    let mut file = tempfile::Builder::new().suffix(".graphql").tempfile().unwrap();
    file.write_all(sdl.as_bytes()).unwrap();
    file
}
