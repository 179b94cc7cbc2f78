//! `/pay/{intent}`: a page on which a person plays the buyer. Plain forms, no script.

mod html;

use axum::{
    Form, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{
    api::confirm_with,
    app::App,
    cards,
    error::StripeError,
    model::{Cause, Intent},
    source,
};

/// Nothing from elsewhere, no script; forms go to this page only.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The pages.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/pay/{intent}", get(show).post(act))
}

/// What the page knows about its visitor.
#[derive(Clone, Serialize, Deserialize)]
struct Visit {
    client_secret: String,
    /// Where the shop wants its buyer back; offered as a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
}

/// What the visitor pressed.
#[derive(Deserialize)]
struct Press {
    #[serde(flatten)]
    visit: Visit,
    payment_method: Option<String>,
    /// The answer to the bank's question: `approve` or `refuse`.
    bank: Option<String>,
}

async fn show(State(app): State<App>, Path(id): Path<String>, Query(visit): Query<Visit>) -> Response {
    let intent = app.ledger().intent_of_client(&id, &visit.client_secret).cloned();
    match intent {
        Ok(intent) => page(StatusCode::OK, &html::intent(&intent, &visit)),
        Err(error) => page(error.http_status(), &html::refusal(&error.to_string())),
    }
}

async fn act(State(app): State<App>, Path(id): Path<String>, Form(press): Form<Press>) -> Response {
    match press_button(&app, &id, &press) {
        // A decline shows on the page that follows, as the intent's last error.
        Ok(_) => {}
        Err(error) if error.http_status() == StatusCode::PAYMENT_REQUIRED => {}
        Err(error) => return page(error.http_status(), &html::refusal(&error.to_string())),
    }
    let query = serde_urlencoded::to_string(&press.visit).unwrap_or_default();
    Redirect::to(&format!("/pay/{id}?{query}")).into_response()
}

fn press_button(app: &App, id: &str, press: &Press) -> Result<Intent, StripeError> {
    let cause = Cause { id: Some(source::new_id("req")), idempotency_key: None };
    let mut ledger = app.ledger();
    ledger.intent_of_client(id, &press.visit.client_secret)?;
    if let Some(answer) = &press.bank {
        return ledger.intent_authenticate(id, answer == "approve", &cause);
    }
    let name = press.payment_method.as_deref().unwrap_or_default();
    let method =
        cards::find(name).ok_or_else(|| StripeError::no_such("PaymentMethod", name, "payment_method"))?;
    confirm_with(app, &mut ledger, id, method, &cause)
}

fn page(status: StatusCode, body: &str) -> Response {
    (
        status,
        [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "no-referrer")],
        Html(body.to_owned()),
    )
        .into_response()
}
