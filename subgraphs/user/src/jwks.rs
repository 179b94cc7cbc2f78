//! `GET /.well-known/jwks.json`: the public keys that access tokens are verified with.

use axum::{
    Json, Router,
    http::{HeaderValue, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};
use jsonwebtoken::jwk::JwkSet;

/// Verifiers may keep the keys for this time; a new key is published for longer than that before
/// it signs (see `Config::previous_keys`).
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The route that publishes `keys` (RFC 7517).
pub(crate) fn routes(keys: JwkSet) -> Router {
    Router::new().route(
        "/.well-known/jwks.json",
        get(async move || ([(CACHE_CONTROL, CACHE)], Json(keys.clone())).into_response()),
    )
}
