//! The routes.

mod call;
mod endpoints;
mod events;
mod intents;
mod list;
mod refunds;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, Method, Uri},
    middleware,
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

pub(crate) use call::{Call, Caller};
pub(crate) use intents::confirm_with;

use crate::{app::App, edge, error::StripeError, page, sandbox};

/// Largest request body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// Everything the sandbox serves.
pub(crate) fn routes(app: App) -> Router {
    let v1 = Router::new()
        .route("/payment_intents", get(intents::list).post(intents::create))
        .route("/payment_intents/{id}", get(intents::retrieve))
        .route("/payment_intents/{id}/confirm", post(intents::confirm))
        .route("/payment_intents/{id}/cancel", post(intents::cancel))
        .route("/charges/{id}", get(intents::charge))
        .route("/refunds", get(refunds::list).post(refunds::create))
        .route("/refunds/{id}", get(refunds::retrieve))
        .route("/events", get(events::list))
        .route("/events/{id}", get(events::retrieve))
        .route("/webhook_endpoints", get(endpoints::list).post(endpoints::create))
        .route("/webhook_endpoints/{id}", get(endpoints::retrieve).delete(endpoints::delete))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(middleware::from_fn_with_state(app.clone(), edge::idempotency::apply))
        .layer(middleware::from_fn_with_state(app.clone(), edge::faults::inject))
        .layer(middleware::from_fn(edge::request::identify));
    // The browser pays the provider directly, from whatever origin the shop has. Headers are
    // mirrored since `*` would leave out `Authorization` (Fetch, 4.10).
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            edge::request::REQUEST_ID.clone(),
            edge::request::STRIPE_VERSION.clone(),
            HeaderName::from_static("idempotent-replayed"),
        ]);
    Router::new()
        .route("/health", get(health))
        .nest("/v1", v1)
        .nest("/sandbox", sandbox::routes())
        .merge(page::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(cors)
        .with_state(app)
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn unknown(method: Method, uri: Uri) -> StripeError {
    StripeError::no_such_url(method.as_str(), &format!("/v1{}", uri.path()))
}
