//! `/sandbox`: what no real provider has. JSON, without a key: whoever reaches the sandbox may
//! play with it.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    behaviour::Behaviour,
    config::WebhookTarget,
    error::StripeError,
    model::{Cause, Row},
    source, webhook,
};

/// The routes under `/sandbox`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/behaviour", get(behaviour).post(change).delete(behave))
        .route("/reset", post(reset))
        .route("/deliveries", get(deliveries))
        .route("/events/{id}/resend", post(resend))
        .route("/payment_intents/{id}/settle", post(settle))
        .route("/webhook_endpoints", post(add_endpoint))
}

/// `GET /sandbox/behaviour`
async fn behaviour(State(app): State<App>) -> Json<Behaviour> {
    Json(app.behaviour())
}

/// `POST /sandbox/behaviour` sets the named switches and leaves the others.
async fn change(
    State(app): State<App>,
    Json(change): Json<Value>,
) -> Result<Json<Behaviour>, (StatusCode, Json<Value>)> {
    match app.behaviour().with(&change) {
        Ok(behaviour) => {
            app.set_behaviour(behaviour.clone());
            Ok(Json(behaviour))
        }
        Err(error) => Err((StatusCode::BAD_REQUEST, Json(json!({"error": {"message": error.to_string()}})))),
    }
}

/// `DELETE /sandbox/behaviour` sets all switches back.
async fn behave(State(app): State<App>) -> Json<Behaviour> {
    app.set_behaviour(Behaviour::default());
    Json(app.behaviour())
}

/// `POST /sandbox/reset` forgets all objects, deliveries under way and idempotency keys, and sets
/// all switches back; webhook endpoints stay.
async fn reset(State(app): State<App>) -> Json<Value> {
    app.reset();
    Json(json!({"reset": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryFilter {
    event: Option<String>,
    object: Option<String>,
    r#type: Option<String>,
}

/// `GET /sandbox/deliveries`: attempts, oldest first; by `event` id, `object` id or `type`.
async fn deliveries(State(app): State<App>, Query(filter): Query<DeliveryFilter>) -> Json<Value> {
    let matching: Vec<Value> = app
        .deliveries()
        .iter()
        .map(|delivery| json!(delivery))
        .filter(|delivery| {
            let is = |name: &str, wanted: &Option<String>| {
                wanted.as_ref().is_none_or(|wanted| delivery[name] == wanted.as_str())
            };
            is("event", &filter.event) && is("object", &filter.object) && is("type", &filter.r#type)
        })
        .collect();
    Json(json!({"data": matching}))
}

/// `POST /sandbox/events/{id}/resend` sends an event again, also one that was lost on purpose.
async fn resend(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, StripeError> {
    let event = app.ledger().events.get(&id).cloned();
    let event = event.ok_or_else(|| StripeError::no_such("event", &id, "id"))?;
    webhook::resend(&app, &event);
    Ok(Json(event.json()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settlement {
    paid: bool,
}

/// `POST /sandbox/payment_intents/{id}/settle` tells what came of a payment that is being processed.
async fn settle(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(settlement): Json<Settlement>,
) -> Result<Json<Value>, StripeError> {
    let cause = Cause { id: Some(source::new_id("req")), idempotency_key: None };
    Ok(Json(app.ledger().intent_settle(&id, settlement.paid, &cause)?.json()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    url: String,
    secret: String,
}

/// `POST /sandbox/webhook_endpoints` adds an endpoint with a chosen secret, for all events.
async fn add_endpoint(State(app): State<App>, Json(new): Json<NewEndpoint>) -> Json<Value> {
    Json(app.ledger().endpoint_put(WebhookTarget::new(new.url, new.secret)).json())
}
