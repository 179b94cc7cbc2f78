//! `POST /oauth/token`: access tokens for the holders of API keys (RFC 6749).

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use platform::pg;
use serde_json::json;

use crate::{
    app::{App, ClientToken, Fault, NoToken},
    domain::{TokenRefusal, TokenRequest},
};

/// A request has a key and a few scopes.
const BODY_LIMIT: usize = 8 * 1_024;
const FORM: &str = "application/x-www-form-urlencoded";

/// The route over `app`.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new().route("/oauth/token", post(token)).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(app)
}

async fn token(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = match body {
        Ok(body) => read(&headers, &body),
        Err(_) => Err(TokenRefusal::InvalidRequest("the request is too long")),
    };
    let outcome = match request {
        Ok(request) => app.client_token(request).await,
        Err(refusal) => Err(refusal.into()),
    };
    let mut response = match outcome {
        Ok(token) => granted(token),
        Err(why) => refused(why),
    };
    // Section 5.1: nothing of this is for caches.
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<TokenRequest, TokenRefusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(FORM) {
        return Err(TokenRefusal::InvalidRequest("send a form: application/x-www-form-urlencoded"));
    }
    // What is no text is no credentials either.
    let authorization = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    TokenRequest::read(authorization, body)
}

/// Section 5.1.
fn granted(token: ClientToken) -> Response {
    Json(json!({
        "access_token": token.access_token,
        "token_type": "Bearer",
        "expires_in": token.expires_in,
        "scope": token.scope,
    }))
    .into_response()
}

/// Section 5.2; for what that does not foresee, the code of section 4.1.2.1.
fn refused(why: NoToken) -> Response {
    match why {
        NoToken::Refused(refusal @ TokenRefusal::InvalidClient) => {
            let mut response = error(StatusCode::UNAUTHORIZED, refusal.code(), &refusal.to_string());
            let challenge = HeaderValue::from_static("Basic realm=\"marquee\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        NoToken::Refused(refusal) => error(StatusCode::BAD_REQUEST, refusal.code(), &refusal.to_string()),
        NoToken::TooMany { retry_after } => later(
            StatusCode::TOO_MANY_REQUESTS,
            retry_after,
            "too many tokens were asked for: keep a token until it expires",
        ),
        NoToken::Fault(Fault::Db(cause)) if pg::is_unavailable(&cause) || pg::is_contention(&cause) => {
            tracing::warn!(%cause, "no token for an API key: the database is away");
            later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1), "try again shortly")
        }
        NoToken::Fault(fault) => {
            tracing::error!(cause = ?fault, "no token for an API key");
            error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something went wrong on our side")
        }
    }
}

fn later(status: StatusCode, after: Duration, description: &str) -> Response {
    let mut response = error(status, "temporarily_unavailable", description);
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn error(status: StatusCode, code: &str, description: &str) -> Response {
    (status, Json(json!({ "error": code, "error_description": description }))).into_response()
}
