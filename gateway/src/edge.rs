//! GraphQL over HTTP: queries and mutations go to the router as they come; subscriptions of clients
//! that read server-sent events get the events of their audience
//! ([GraphQL over SSE](https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md),
//! distinct connections).

use std::{io, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream};
use hive_router::RouterSharedState;
use kernel::error::ErrorCode;
use ntex::{
    http::{
        Method,
        header::{CACHE_CONTROL, CONTENT_ENCODING},
    },
    util::Bytes,
    web::{self, DefaultError, HttpResponse, WebRequest, WebResponse},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::{
    audience::{Event, Viewer},
    refusal, request,
    router::{InProcess, Router},
    settings::GRAPHQL,
};

/// How often a stream without events shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What one thread needs to answer requests.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) router: Router,
    /// Knows the rules for other origins.
    pub(crate) shared: Arc<RouterSharedState>,
    pub(crate) max_body: usize,
    /// Cancelled when streams have to end.
    pub(crate) closing: CancellationToken,
}

impl Edge {
    /// Answers whatever no other route answers.
    pub(crate) async fn answer(self, request: WebRequest<DefaultError>) -> Result<WebResponse, web::Error> {
        let path = request.path();
        if path != GRAPHQL && !path.starts_with("/graphql/") {
            return Ok(request.into_response(HttpResponse::NotFound().body("the API is at /graphql")));
        }
        let headers = request.headers();
        let (events, parts) = (request::accepts_events(headers), request::accepts_parts(headers));
        if !events && !parts {
            return pass(&self.router.queries, request).await;
        }
        // What is compressed is not looked into, and so not shared.
        if headers.contains_key(CONTENT_ENCODING) {
            return pass(&self.router.subscriptions, request).await;
        }
        self.answer_with_stream(request, events).await
    }

    /// Answers a client that says with every operation that it can read streams.
    async fn answer_with_stream(
        self,
        mut request: WebRequest<DefaultError>,
        events: bool,
    ) -> Result<WebResponse, web::Error> {
        let operation = match *request.method() {
            Method::GET => from_query(request.query_string()),
            Method::POST => {
                let Some(body) = request::read(request.take_payload(), self.max_body).await? else {
                    let errors = refusal::errors(ErrorCode::BadUserInput, "The request is too long.");
                    let refusal = HttpResponse::PayloadTooLarge().json(&json!({ "errors": errors }));
                    return Ok(request.into_response(refusal));
                };
                request::put_back(&mut request, body.clone());
                body
            }
            _ => Bytes::new(),
        };
        let Some(subscription) = self.router.subscription(&operation) else {
            return pass(&self.router.queries, request).await;
        };
        if !events {
            return pass(&self.router.subscriptions, request).await;
        }
        let (http, _) = request.into_parts();
        let viewer = self.router.view(subscription, http.headers().clone(), operation);
        let mut response = match viewer {
            Ok(viewer) => HttpResponse::Ok()
                .content_type("text/event-stream")
                .header(CACHE_CONTROL, "no-cache")
                // Its client connects elsewhere when the stream ends without an event that says so.
                .streaming(sent(viewer).take_until(Box::pin(self.closing.cancelled_owned()))),
            Err(_) => HttpResponse::ServiceUnavailable().json(&json!({ "errors": refusal::full() })),
        };
        if let Some(cors) = &self.shared.cors_runtime {
            cors.set_headers(&http, response.headers_mut());
        }
        Ok(WebResponse::new(response, http))
    }
}

/// Lets the router answer.
async fn pass(router: &InProcess, mut request: WebRequest<DefaultError>) -> Result<WebResponse, web::Error> {
    let response = router.call(request::take(&mut request)).await?;
    Ok(request.into_response(response.into_parts().0))
}

/// The body that a `POST` of the same operation would have.
fn from_query(query: &str) -> Bytes {
    let fields = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        let value = match &*name {
            "variables" | "extensions" => serde_json::from_str(&value).unwrap_or_default(),
            _ => Value::from(value),
        };
        (name.into_owned(), value)
    });
    Value::Object(fields.collect::<Map<_, _>>()).to_string().into()
}

/// The events of a subscription as they are sent.
fn sent(viewer: Viewer) -> impl Stream<Item = Result<Bytes, io::Error>> + Unpin {
    let events = stream::unfold(Some(viewer), async |viewer| {
        let mut viewer = viewer?;
        let (text, viewer) = match timeout(HEARTBEAT, viewer.next()).await {
            Err(_) => (":\n\n".to_owned(), Some(viewer)),
            Ok(Some(Event::Next(json))) => (event(&json), Some(viewer)),
            Ok(Some(Event::Refused(json))) => (event(&json) + END, None),
            Ok(None) => (END.to_owned(), None),
        };
        Some((Ok(Bytes::from(text)), viewer))
    });
    Box::pin(events)
}

/// Browsers do not report an event without data.
const END: &str = "event: complete\ndata:\n\n";

fn event(json: &[u8]) -> String {
    format!("event: next\ndata: {}\n\n", String::from_utf8_lossy(json))
}

#[cfg(test)]
mod tests {
    use super::from_query;

    #[test]
    fn a_query_string_says_the_same_as_a_body() {
        let query = "query=subscription+%7B+a+%7D&operationName=S&variables=%7B%22b%22%3A1%7D";
        let body: serde_json::Value = serde_json::from_slice(&from_query(query)).unwrap();
        let expected = serde_json::json!({
            "query": "subscription { a }", "operationName": "S", "variables": { "b": 1 },
        });
        assert_eq!(body, expected);
    }
}
