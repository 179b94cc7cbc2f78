//! `/v1/refunds`, <https://docs.stripe.com/api/refunds>.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::{Call, list::Paging};
use crate::{
    app::App,
    error::StripeError,
    ledger::NewRefund,
    model::{Refund, RefundStatus, Row},
};

/// `POST /v1/refunds`
pub(crate) async fn create(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let params = &mut call.params;
    let new = NewRefund {
        payment_intent: params.text("payment_intent")?,
        charge: params.text("charge")?,
        amount: params.integer("amount")?,
        reason: params.choice("reason", &["duplicate", "fraudulent", "requested_by_customer"])?,
        metadata: params.metadata()?,
    };
    call.params.finish()?;
    let fate = app.behaviour().refund.outcome;
    let refund = app.ledger().refund_create(new, fate, &call.cause)?;
    if refund.status == RefundStatus::Pending {
        app.settle_later(refund.id.clone());
    }
    Ok(Json(refund.json()))
}

/// `GET /v1/refunds/{id}`
pub(crate) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    call.params.finish()?;
    Ok(Json(app.ledger().refund(&id)?.json()))
}

/// `GET /v1/refunds`
pub(crate) async fn list(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let paging = Paging::take(&mut call.params)?;
    let intent = call.params.text("payment_intent")?;
    let charge = call.params.text("charge")?;
    call.params.finish()?;
    let ledger = app.ledger();
    let wanted = |refund: &&Refund| {
        intent.as_ref().is_none_or(|id| *id == refund.payment_intent)
            && charge.as_ref().is_none_or(|id| *id == refund.charge)
    };
    paging.page("/v1/refunds", ledger.refunds.oldest_first().filter(wanted)).map(Json)
}
