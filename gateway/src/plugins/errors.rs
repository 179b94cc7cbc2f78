//! What clients are told of errors. Every top-level error leaves with one of the codes of
//! [`ErrorCode`]; what a subgraph says under such a code is passed on as it is; whatever else comes
//! from behind the gateway is replaced by a sentence that gives nothing away.

use futures::StreamExt;
use hive_router::GraphQLError;
use kernel::error::ErrorCode;
use ntex::{
    http::{
        body::{BoxedBodyStream, ResponseBody},
        header,
    },
    util::Bytes,
    web::WebResponse,
};
use serde_json::{Map, Value};

/// A subgraph could not be reached, or broke off.
const UNAVAILABLE: &str = "A part of the service is unavailable. Try again.";
/// A subgraph failed without saying how in the agreed words.
const INTERNAL: &str = "Something went wrong on our side.";
/// What the router says instead of its own internal errors.
const ROUTER_INTERNAL: &str = "Internal server error";

/// What becomes of an error: its code, and its message if that is not the original one.
#[derive(Debug, PartialEq)]
struct Verdict {
    code: ErrorCode,
    message: Option<&'static str>,
    /// The router's own name for a mistake of the client, for whoever debugs it.
    reason: Option<String>,
}

fn verdict(code: Option<&str>, message: &str, from_subgraph: bool) -> Verdict {
    let masked = |code, message| Verdict { code, message: Some(message), reason: None };
    let code = code.unwrap_or_default();
    if let Some(code) = agreed(code) {
        return Verdict { code, message: None, reason: None };
    }
    let unreachable = ["SUBREQUEST_", "SUBGRAPH_", "WS_"].iter().any(|prefix| code.starts_with(prefix));
    if unreachable {
        return masked(ErrorCode::Unavailable, UNAVAILABLE);
    }
    if from_subgraph || message == ROUTER_INTERNAL {
        return masked(ErrorCode::Internal, INTERNAL);
    }
    let code_of_ours = match code {
        "NO_SUPERGRAPH_AVAILABLE" | "GATEWAY_TIMEOUT" | "SUBSCRIPTION_SCHEMA_RELOAD" => {
            ErrorCode::Unavailable
        }
        "CSRF_PREVENTION_FAILED" | "INTROSPECTION_DISABLED" | "UNAUTHORIZED_OPERATION" => {
            ErrorCode::Forbidden
        }
        _ => ErrorCode::BadUserInput,
    };
    let reason = (!code.is_empty()).then(|| code.to_owned());
    Verdict { code: code_of_ours, message: None, reason }
}

/// The code that subgraphs and the gateway agreed on, if it is one.
fn agreed(code: &str) -> Option<ErrorCode> {
    [
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::RateLimited,
        ErrorCode::BadUserInput,
        ErrorCode::Unavailable,
        ErrorCode::Internal,
    ]
    .into_iter()
    .find(|agreed| agreed.as_str() == code)
}

/// Tells an error of a query, a mutation, or an operation that is refused.
pub(super) fn told(error: &mut GraphQLError) {
    let extensions = &mut error.extensions;
    let verdict = verdict(extensions.code.as_deref(), &error.message, extensions.service_name.is_some());
    if let Some(message) = verdict.message {
        error.message = message.to_owned();
        extensions.extensions.clear();
    }
    if let Some(reason) = verdict.reason {
        extensions.extensions.insert("reason".to_owned(), reason.as_str().into());
    }
    extensions.code = Some(verdict.code.as_str().to_owned());
    extensions.service_name = None;
    extensions.affected_path = None;
}

/// Tells the errors in the events of a subscription, which the router keeps from plugins.
pub(super) fn told_in_events(response: WebResponse) -> WebResponse {
    let streams = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream") || kind.starts_with("multipart/mixed"));
    if !streams {
        return response;
    }
    response.map_body(|_, body| {
        let events = body.map(|chunk| chunk.map(told_in_event));
        ResponseBody::Body(BoxedBodyStream::new(Box::pin(events)).into())
    })
}

/// Rewrites the errors of one event. The router makes one chunk of each event, with one JSON object
/// in it, whatever the framing.
fn told_in_event(chunk: Bytes) -> Bytes {
    let Some(object) = object(&chunk) else { return chunk };
    let Ok(mut value) = serde_json::from_slice::<Map<String, Value>>(&chunk[object.clone()]) else {
        return chunk;
    };
    // The multipart protocol of Apollo wraps the answer.
    let answer = match value.get_mut("payload") {
        Some(Value::Object(payload)) => payload,
        _ => &mut value,
    };
    if let Some(Value::Array(errors)) = answer.get_mut("errors") {
        errors.iter_mut().filter_map(Value::as_object_mut).for_each(told_in_value);
    }
    let mut rewritten = chunk[..object.start].to_vec();
    rewritten.extend_from_slice(Value::Object(value).to_string().as_bytes());
    rewritten.extend_from_slice(&chunk[object.end..]);
    rewritten.into()
}

/// Where the JSON object is, if it has errors: nearly no event has.
fn object(chunk: &[u8]) -> Option<std::ops::Range<usize>> {
    let marker = br#""errors""#;
    chunk.windows(marker.len()).any(|window| window == marker).then_some(())?;
    let start = chunk.iter().position(|byte| *byte == b'{')?;
    let end = chunk.iter().rposition(|byte| *byte == b'}')? + 1;
    Some(start..end)
}

fn told_in_value(error: &mut Map<String, Value>) {
    let mut extensions = match error.remove("extensions") {
        Some(Value::Object(extensions)) => extensions,
        _ => Map::new(),
    };
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let code = extensions.get("code").and_then(Value::as_str);
    let verdict = verdict(code, message, extensions.contains_key("service"));
    if let Some(message) = verdict.message {
        error.insert("message".to_owned(), message.into());
        extensions.clear();
    }
    extensions.remove("service");
    extensions.remove("affectedPath");
    extensions.insert("code".to_owned(), verdict.code.as_str().into());
    if let Some(reason) = verdict.reason {
        extensions.insert("reason".to_owned(), reason.into());
    }
    error.insert("extensions".to_owned(), Value::Object(extensions));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn agreed_codes_pass_with_their_message() {
        let verdict = verdict(Some("UNAUTHENTICATED"), "Log in first.", true);
        assert_eq!(verdict, Verdict { code: ErrorCode::Unauthenticated, message: None, reason: None });
    }

    #[test]
    fn what_happens_behind_the_gateway_stays_there() {
        let refused = "Failed to send request to subgraph: connect to 10.0.0.7:4002 refused";
        let unreachable = verdict(Some("SUBREQUEST_HTTP_ERROR"), refused, true);
        assert_eq!(unreachable.code, ErrorCode::Unavailable);
        assert_eq!(unreachable.message, Some(UNAVAILABLE));
        let broken = verdict(Some("DOWNSTREAM_SERVICE_ERROR"), "column \"secret\" does not exist", true);
        assert_eq!(broken.code, ErrorCode::Internal);
        assert_eq!(broken.message, Some(INTERNAL));
    }

    #[test]
    fn mistakes_of_the_client_are_explained() {
        let verdict = verdict(Some("GRAPHQL_VALIDATION_FAILED"), "Cannot query field \"x\".", false);
        assert_eq!(verdict.code, ErrorCode::BadUserInput);
        assert_eq!(verdict.message, None);
        assert_eq!(verdict.reason.as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
    }

    fn check(chunk: &str, expected: &str) {
        let told = told_in_event(Bytes::from(chunk.to_owned()));
        assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
    }

    #[test]
    fn events_without_errors_are_passed_as_they_are() {
        check("event: next\ndata: {\"data\":{\"a\":1}}\n\n", "event: next\ndata: {\"data\":{\"a\":1}}\n\n");
        check(":\n\n", ":\n\n");
        check("event: complete\n\n", "event: complete\n\n");
    }

    #[test]
    fn errors_in_events_are_told_the_same_way() {
        let error = json!({ "errors": [{
            "message": "Failed to connect WebSocket to 'ws://10.0.0.7/ws'",
            "extensions": { "code": "SUBGRAPH_WEBSOCKET_CONNECT_FAILURE", "service": "booking" },
        }] });
        let told = json!({ "errors": [{ "message": UNAVAILABLE, "extensions": { "code": "UNAVAILABLE" } }] });
        check(&format!("event: next\ndata: {error}\n\n"), &format!("event: next\ndata: {told}\n\n"));
        let multipart = |answer: &Value| format!("--graphql\r\n\r\n{}\r\n", json!({ "payload": answer }));
        check(&multipart(&error), &multipart(&told));
    }
}
