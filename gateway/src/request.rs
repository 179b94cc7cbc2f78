//! Requests as the edge sees them, and as it hands them to the router.

use futures::{StreamExt, future::ready, stream};
use hive_router::pipeline::header::{RequestAccepts, ResponseMode, StreamContentType};
use ntex::{
    http::{
        HeaderMap, Method, Payload, Request, Uri,
        body::{Body, ResponseBody},
        error::PayloadError,
        header::{self, HeaderValue},
    },
    util::{Bytes, BytesMut},
    web::{DefaultError, HttpResponse, WebRequest},
};

use crate::{admission::Admitted, settings::GRAPHQL, stream::Format};

/// What the router is asked for: it answers queries with JSON and subscriptions with events.
const ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// The type of answers when nobody says which.
pub(crate) const JSON: &str = "application/json";

/// Whether a request wants to become a socket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .any(|accepted| accepted.contains(kind))
}

/// Whether a response is a stream of server-sent events.
pub(crate) fn is_events(response: &HttpResponse) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The type of a single answer that the client of a request gets, by the rules of the router, where
/// browsers may get the `explorer`. `None` if it gets something else.
pub(crate) fn single_type(
    request: WebRequest<DefaultError>,
    explorer: bool,
) -> (WebRequest<DefaultError>, Option<&'static str>) {
    let accepted = request.headers().get(header::ACCEPT).map_or(b"" as &[u8], HeaderValue::as_bytes);
    // What nearly all send is known by heart.
    if matches!(accepted, b"" | b"*/*" | b"application/json") {
        return (request, Some(JSON));
    }
    let (request, mode) = negotiated(request, explorer);
    let kind = mode.and_then(|mode| mode.single_content_type().map(Into::into));
    (request, kind)
}

/// The way in which the client of a request can read events, which it has to say; of several ways in parts,
/// by the rules of the router. `None` if it reads none.
pub(crate) fn stream_format(
    request: WebRequest<DefaultError>,
    explorer: bool,
) -> (WebRequest<DefaultError>, Option<Format>) {
    if accepts(request.headers(), "text/event-stream") {
        return (request, Some(Format::Events));
    }
    if !accepts(request.headers(), "multipart/mixed") {
        return (request, None);
    }
    let (request, mode) = negotiated(request, explorer);
    let format = mode.and_then(|mode| match mode.stream_content_type()? {
        StreamContentType::IncrementalDelivery => Some(Format::Parts),
        StreamContentType::ApolloMultipartHTTP => Some(Format::ApolloParts),
        StreamContentType::SSE => Some(Format::Events),
    });
    (request, format)
}

/// What the router would answer a request with, if it would.
fn negotiated(
    request: WebRequest<DefaultError>,
    explorer: bool,
) -> (WebRequest<DefaultError>, Option<ResponseMode>) {
    let (http, payload) = request.into_parts();
    let mode = http.negotiate(explorer).ok();
    let request = WebRequest::from_parts(http, payload);
    (request.unwrap_or_else(|_| unreachable!("nobody else has the request")), mode)
}

/// An operation of which only the headers are left.
pub(crate) fn post(headers: HeaderMap, body: Bytes, admitted: Admitted) -> Request {
    with_accept(headers, ACCEPT, body, admitted)
}

/// A query that is answered with one answer of this type.
pub(crate) fn ask(headers: HeaderMap, body: Bytes, admitted: Admitted, kind: &'static str) -> Request {
    with_accept(headers, HeaderValue::from_static(kind), body, admitted)
}

fn with_accept(mut headers: HeaderMap, accept: HeaderValue, body: Bytes, admitted: Admitted) -> Request {
    headers.insert(header::ACCEPT, accept);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.remove(header::CONTENT_LENGTH);
    let mut request = Request::with_payload(payload(body));
    let head = request.head_mut();
    head.method = Method::POST;
    head.uri = Uri::from_static(GRAPHQL);
    head.headers = headers;
    request.extensions_mut().insert(admitted);
    request
}

/// The request of a client, taken out of its connection. It keeps what is needed to answer it.
/// Without an operation there is nothing to admit.
pub(crate) fn take(request: &mut WebRequest<DefaultError>, admitted: Option<Admitted>) -> Request {
    let mut taken = Request::with_payload(request.take_payload());
    let (head, from) = (taken.head_mut(), request.head_mut());
    head.method = from.method.clone();
    head.uri = from.uri.clone();
    head.version = from.version;
    head.headers = std::mem::take(&mut from.headers);
    if let Some(admitted) = admitted {
        taken.extensions_mut().insert(admitted);
    }
    taken
}

/// Gives a body back that was read.
pub(crate) fn put_back(request: &mut WebRequest<DefaultError>, body: Bytes) {
    request.set_payload(payload(body));
}

fn payload(body: Bytes) -> Payload {
    Payload::from_stream(stream::once(ready(Ok(body))))
}

/// Reads a body of up to `limit` bytes; `None` if it is longer.
pub(crate) async fn read(mut payload: Payload, limit: usize) -> Result<Option<Bytes>, PayloadError> {
    // Most come in one piece.
    let Some(first) = payload.recv().await.transpose()? else { return Ok(Some(Bytes::new())) };
    if first.len() > limit {
        return Ok(None);
    }
    let Some(mut chunk) = payload.recv().await.transpose()? else { return Ok(Some(first)) };
    let mut body = BytesMut::from(&first[..]);
    loop {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            return Ok(None);
        }
        match payload.recv().await.transpose()? {
            Some(next) => chunk = next,
            None => return Ok(Some(body.freeze())),
        }
    }
}

/// Reads the body of an answer that is no stream. What breaks off is short.
pub(crate) async fn read_answer(mut body: ResponseBody<Body>) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        read.extend_from_slice(&chunk);
    }
    read.freeze()
}
