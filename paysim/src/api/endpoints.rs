//! `/v1/webhook_endpoints`, <https://docs.stripe.com/api/webhook_endpoints>.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{Call, list::Paging};
use crate::{
    app::App,
    error::StripeError,
    ledger::Record,
    model::{Endpoint, Row},
    source,
};

/// `POST /v1/webhook_endpoints`; this answer alone carries the signing secret.
pub(crate) async fn create(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let params = &mut call.params;
    let url = params.text("url")?;
    let url = params.required("url", url)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(StripeError::invalid_code("url", "url_invalid", "Invalid URL"));
    }
    let enabled_events = params.list("enabled_events")?;
    if enabled_events.is_empty() {
        return Err(StripeError::missing("enabled_events"));
    }
    let secret = format!("whsec_{}", source::token(32));
    let endpoint = Endpoint {
        id: source::new_id("we"),
        url,
        secrets: vec![secret.clone()],
        enabled_events,
        description: params.text("description")?,
        metadata: params.metadata()?,
        created: source::unix_now(),
    };
    call.params.finish()?;
    app.ledger().put(Record::Endpoint(endpoint.clone()));
    let mut answer = endpoint.json();
    answer["secret"] = json!(secret);
    Ok(Json(answer))
}

/// `GET /v1/webhook_endpoints/{id}`
pub(crate) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    call.params.finish()?;
    let ledger = app.ledger();
    let endpoint =
        ledger.endpoints.get(&id).ok_or_else(|| StripeError::no_such("webhook endpoint", &id, "id"))?;
    Ok(Json(endpoint.json()))
}

/// `GET /v1/webhook_endpoints`
pub(crate) async fn list(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let paging = Paging::take(&mut call.params)?;
    call.params.finish()?;
    let ledger = app.ledger();
    paging.page("/v1/webhook_endpoints", ledger.endpoints.oldest_first()).map(Json)
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub(crate) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    call.params.finish()?;
    if !app.ledger().endpoint_delete(&id) {
        return Err(StripeError::no_such("webhook endpoint", &id, "id"));
    }
    Ok(Json(json!({"id": id, "object": "webhook_endpoint", "deleted": true})))
}
