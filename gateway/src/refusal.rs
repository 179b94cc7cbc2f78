//! Errors that the gateway itself makes.

use std::borrow::Cow;

use kernel::error::ErrorCode;
use ntex::{
    http::{HeaderMap, StatusCode, header},
    web::HttpResponse,
};
use serde_json::{Value, json};

/// The media type of answers that clients of the new protocol ask for.
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// Why an operation is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) status: StatusCode,
    message: Cow<'static, str>,
    /// When it may work, in seconds.
    retry_after: Option<u64>,
    /// Whether the text of the operation is no document.
    unparsed: bool,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let status = match code {
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::BadUserInput => StatusCode::BAD_REQUEST,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { code, status, message: message.into(), retry_after: None, unparsed: false }
    }

    /// A request that can never work.
    pub(crate) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    /// The text of the operation is no document.
    pub(crate) fn unparsed(message: String) -> Self {
        Self { unparsed: true, ..Self::bad(message) }
    }

    /// With another status than the usual of its code.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A JSON array with one GraphQL error.
    pub(crate) fn errors(&self) -> Value {
        let mut errors = errors(self.code, &self.message);
        if let (Some(seconds), ErrorCode::RateLimited) = (self.retry_after, self.code) {
            errors[0]["extensions"]["retryAfterSeconds"] = seconds.into();
        }
        if self.unparsed {
            errors[0]["extensions"]["reason"] = "GRAPHQL_PARSE_FAILED".into();
        }
        errors
    }

    /// The answer to an HTTP request with these headers.
    pub(crate) fn response(&self, request: &HeaderMap) -> HttpResponse {
        let accepts = request.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
        let kind = match accepts.into_iter().any(|kinds| kinds.contains(GRAPHQL_RESPONSE)) {
            true => GRAPHQL_RESPONSE,
            false => "application/json",
        };
        // Clients of the old protocol take any other status for a failure of the transport.
        let status = if self.unparsed && kind != GRAPHQL_RESPONSE { StatusCode::OK } else { self.status };
        let mut response = HttpResponse::build(status);
        response.content_type(kind).header(header::CACHE_CONTROL, "no-store");
        if let Some(seconds) = self.retry_after {
            response.header(header::RETRY_AFTER, seconds.to_string());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        response.body(json!({ "errors": self.errors() }).to_string())
    }
}

/// A JSON array with one GraphQL error.
pub(crate) fn errors(code: ErrorCode, message: &str) -> Value {
    json!([{ "message": message, "extensions": { "code": code.as_str() } }])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_when_to_come_back() {
        let refusal = Refusal::new(ErrorCode::RateLimited, "too many").with_retry_after(7);
        assert_eq!(
            refusal.errors()[0]["extensions"],
            json!({ "code": "RATE_LIMITED", "retryAfterSeconds": 7 })
        );
        let response = refusal.response(&HeaderMap::new());
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap(), "7");
    }
}
