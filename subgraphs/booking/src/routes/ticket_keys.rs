//! `GET /.well-known/ticket-keys.json`: the public keys that tickets are checked with, offline.

use axum::http::{HeaderValue, header::CACHE_CONTROL};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::domain::ticket::TicketSigner;

/// Scanners fetch the keys when they have a network; a new key signs at once, so not for long.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");

pub(super) fn routes(signer: &TicketSigner) -> Router {
    let document = document(signer);
    Router::new().route(
        "/.well-known/ticket-keys.json",
        get(async move || ([(CACHE_CONTROL, CACHE)], Json(document.clone())).into_response()),
    )
}

/// A JSON Web Key Set (RFC 7517, RFC 8037); `kid` is what ticket codes name the key by.
fn document(signer: &TicketSigner) -> Value {
    let keys: Vec<Value> = signer
        .public_keys()
        .iter()
        .map(|key| {
            json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": key.id().to_string(),
                "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
            })
        })
        .collect();
    json!({ "keys": keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_and_previous_keys_are_published() {
        let old = TicketSigner::new(&[1; 32], Vec::new());
        let new = TicketSigner::new(&[2; 32], old.public_keys().to_vec());
        let document = document(&new);
        let keys = document["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0]["kid"], new.public_keys()[0].id().to_string());
        assert_eq!(keys[1]["kid"], old.public_keys()[0].id().to_string());
    }
}
