//! Failures of the API, on demand.

use std::io;

use axum::{
    body::Body,
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;

use crate::{app::App, error::StripeError, source};

/// Refuses before the work, or withholds or breaks the answer after it, as the switches say.
pub(crate) async fn inject(State(app): State<App>, request: Request, next: Next) -> Response {
    let api = app.behaviour().api;
    let refused = app.take(|behaviour| &mut behaviour.api.fail_next) || source::chance(api.error_rate);
    if refused {
        return StripeError::on_demand(api.fail_status).into_response();
    }
    let lost = app.take(|behaviour| &mut behaviour.api.lose_next)
        || (makes_refund(&request) && app.take(|behaviour| &mut behaviour.refund.lose_next));

    let response = next.run(request).await;
    app.while_hanging().await;
    if lost { broken() } else { response }
}

/// `POST /v1/refunds`
fn makes_refund(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path().ends_with("/refunds")
}

/// An answer that breaks off, so that the client sees a failed connection.
fn broken() -> Response {
    let cut = io::Error::new(io::ErrorKind::ConnectionReset, "the sandbox lost this answer");
    Body::from_stream(stream::iter([Err::<Bytes, _>(cut)])).into_response()
}
