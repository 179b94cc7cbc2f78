//! Errors that the gateway itself makes.

use kernel::error::ErrorCode;
use ntex::http::StatusCode;
use serde_json::{Value, json};

/// A JSON array with one GraphQL error.
pub(crate) fn errors(code: ErrorCode, message: &str) -> Value {
    json!([{ "message": message, "extensions": { "code": code.as_str() } }])
}

/// There are as many subscriptions as there may be.
pub(crate) fn full() -> Value {
    errors(ErrorCode::Unavailable, "Too many clients are connected. Try again.")
}

/// What the router failed to explain in JSON.
pub(crate) fn unexplained(status: StatusCode) -> Value {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            errors(ErrorCode::Unavailable, "A part of the service is unavailable. Try again.")
        }
        _ => errors(ErrorCode::Internal, "Something went wrong on our side."),
    }
}
