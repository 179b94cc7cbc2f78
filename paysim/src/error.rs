//! Stripe's error envelope: `{"error": {"type", "code", "message", "param", …}}`.
//!
//! Types, codes and statuses follow <https://docs.stripe.com/api/errors> and
//! <https://docs.stripe.com/error-codes>.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cards::Decline;

/// An error as Stripe words it. Boxed, since it travels through every `Result`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub(crate) struct StripeError(Box<Detail>);

#[derive(Debug, Serialize)]
struct Detail {
    #[serde(skip)]
    status: StatusCode,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<Value>,
}

impl StripeError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            status,
            kind,
            code: None,
            decline_code: None,
            message: message.into(),
            param: None,
            charge: None,
            payment_intent: None,
        }))
    }

    fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    fn code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    fn param(mut self, param: &str) -> Self {
        self.0.param = Some(param.to_owned());
        self
    }

    fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The HTTP status of the answer.
    pub(crate) fn http_status(&self) -> StatusCode {
        self.0.status
    }

    /// A parameter has a value that it may not have.
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::invalid_request(message).param(param)
    }

    /// The same with one of Stripe's codes.
    pub(crate) fn invalid_code(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::invalid_request(message).code(code).param(param)
    }

    /// A required parameter is not there.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid_code(param, "parameter_missing", format!("Missing required param: {param}."))
    }

    /// A parameter that the endpoint does not know.
    pub(crate) fn unknown(param: &str) -> Self {
        Self::invalid_code(param, "parameter_unknown", format!("Received unknown parameter: {param}"))
    }

    /// The body is not a form.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::invalid_request(message)
    }

    /// No object with that id.
    pub(crate) fn no_such(object: &str, id: &str, param: &str) -> Self {
        Self::invalid_code(param, "resource_missing", format!("No such {object}: '{id}'"))
            .status(StatusCode::NOT_FOUND)
    }

    /// No endpoint at that path.
    pub(crate) fn no_such_url(method: &str, path: &str) -> Self {
        Self::invalid_request(format!(
            "Unrecognized request URL ({method}: {path}). paysim implements payment intents, \
             refunds, events and webhook endpoints."
        ))
        .status(StatusCode::NOT_FOUND)
    }

    /// The key is absent, wrong, or of the wrong kind.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::invalid_request(message).status(StatusCode::UNAUTHORIZED)
    }

    /// The intent's status does not permit what was asked.
    pub(crate) fn unexpected_state(message: impl Into<String>, intent: Value) -> Self {
        let mut error = Self::invalid_request(message).code("payment_intent_unexpected_state");
        error.0.payment_intent = Some(intent);
        error
    }

    /// The card was declined.
    pub(crate) fn card(decline: &Decline, charge: &str, intent: Value) -> Self {
        let mut error =
            Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", decline.message).code(decline.code);
        error.0.decline_code = decline.decline_code;
        error.0.charge = Some(charge.to_owned());
        error.0.payment_intent = Some(intent);
        error
    }

    /// The charge is refunded in full already.
    pub(crate) fn already_refunded(charge: &str) -> Self {
        let mut error = Self::invalid_request(format!("Charge {charge} has already been refunded."))
            .code("charge_already_refunded");
        error.0.charge = Some(charge.to_owned());
        error
    }

    /// The idempotency key was used with another request.
    pub(crate) fn idempotency_mismatch(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    /// The idempotency key is in use by a request that is still being worked on.
    pub(crate) fn idempotency_in_use(key: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "idempotency_error",
            format!(
                "There is currently another in-progress request using this Idempotent Key (that \
                 probably means you submitted twice, and the other request is still going \
                 through): {key}. Please try again later."
            ),
        )
        .code("idempotency_key_in_use")
    }

    /// A failure that a switch asked for.
    pub(crate) fn on_demand(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Self::invalid_request("Too many requests hit the API too quickly.")
                .code("rate_limit")
                .status(status);
        }
        Self::new(status, "api_error", "The sandbox was told to fail.")
    }
}

impl IntoResponse for StripeError {
    fn into_response(self) -> Response {
        (self.0.status, Json(json!({ "error": *self.0 }))).into_response()
    }
}
