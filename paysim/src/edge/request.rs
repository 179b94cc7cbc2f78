//! Request ids and the API version, as headers of every answer.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::{
    model::{API_VERSION, Cause},
    source,
};

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(crate) static STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Gives the request an id and notes it, with the idempotency key, as the [`Cause`] of what
/// follows; echoes both and the version.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let id = source::new_id("req");
    let key = request.headers().get(&IDEMPOTENCY_KEY).cloned();
    let version =
        request.headers().get(&STRIPE_VERSION).cloned().unwrap_or(HeaderValue::from_static(API_VERSION));
    let cause = Cause { id: Some(id.clone()), idempotency_key: text_of(request.headers(), &IDEMPOTENCY_KEY) };
    request.extensions_mut().insert(cause);

    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(&REQUEST_ID, id);
    }
    headers.insert(&STRIPE_VERSION, version);
    if let Some(key) = key {
        headers.insert(&IDEMPOTENCY_KEY, key);
    }
    response
}

/// A header as text, when it is there and is text.
pub(crate) fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
