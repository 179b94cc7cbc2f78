//! `/v1/events`, <https://docs.stripe.com/api/events>.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::{Call, list::Paging};
use crate::{
    app::App,
    error::StripeError,
    model::{Event, Row},
};

/// `GET /v1/events`
pub(crate) async fn list(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let paging = Paging::take(&mut call.params)?;
    let mut kinds = call.params.list("types")?;
    kinds.extend(call.params.text("type")?);
    call.params.finish()?;
    let ledger = app.ledger();
    let wanted = |event: &&Event| kinds.is_empty() || kinds.contains(&event.kind);
    paging.page("/v1/events", ledger.events.oldest_first().filter(wanted)).map(Json)
}

/// `GET /v1/events/{id}`
pub(crate) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    call.params.finish()?;
    let ledger = app.ledger();
    let event = ledger.events.get(&id).ok_or_else(|| StripeError::no_such("event", &id, "id"))?;
    Ok(Json(event.json()))
}
