//! `GET /.well-known/jwks.json`: the public keys that access tokens are verified with.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderValue, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};

use crate::app::App;

/// Verifiers may keep the keys for this time; a new key is published for longer than that before
/// it signs (see `Config::previous_keys`).
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The route that publishes the keys of `app` as they are (RFC 7517).
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new().route(
        "/.well-known/jwks.json",
        get(async move || ([(CACHE_CONTROL, CACHE)], Json(app.keys().ring().published())).into_response()),
    )
}
