//! `POST /webhooks/stripe`: stored, answered, worked on later.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use crate::app::App;
use crate::app::webhook::WebhookError;

/// Stripe's events are a few kilobytes.
const BODY_LIMIT: usize = 256 * 1024;

pub(super) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/webhooks/stripe", post(accept))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

async fn accept(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match app.webhook_accept(signature, &body).await {
        Ok(()) => StatusCode::OK,
        Err(error @ (WebhookError::Signature(_) | WebhookError::Malformed(_))) => {
            tracing::warn!(%error, "webhook refused");
            StatusCode::BAD_REQUEST
        }
        // Anything but 2xx makes the provider send it again.
        Err(WebhookError::App(error)) => {
            tracing::error!(%error, "webhook not stored");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
