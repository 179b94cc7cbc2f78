//! Plain HTTP beside GraphQL.

mod stripe_webhook;
mod ticket_keys;

use std::sync::Arc;

use axum::Router;

use crate::app::App;

/// `POST /webhooks/stripe` and `GET /.well-known/ticket-keys.json`.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    stripe_webhook::routes(Arc::clone(app)).merge(ticket_keys::routes(&app.tickets))
}
