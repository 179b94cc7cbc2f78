//! GraphQL over HTTP: each operation passes the [gate](crate::admission), then queries and mutations go
//! to the router as they came; subscriptions get the events of their audience, in the way that their
//! client reads ([`crate::stream`]).
//!
//! Architecture invariant: the router never gets an operation that was not admitted. What the gate has
//! not read loses its query string and its body on the way.

use std::{future::pending, sync::Arc, time::Duration};

use futures::StreamExt;
use hive_router::RouterSharedState;
use ntex::{
    http::{
        Method, StatusCode, Uri,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY},
    },
    util::Bytes,
    web::{self, DefaultError, HttpResponse, WebRequest, WebResponse},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{
        Admission, Admitted, OAUTH_LIMIT, OAUTH_TOKEN, Params, REQUEST_ID, asks, from_query, request_id,
    },
    answers::{Answer, GZIP},
    audience::Viewer,
    places::Full,
    refusal::Refusal,
    request,
    router::{InProcess, Prepared, Query, Router},
    settings::GRAPHQL,
    stream::{Format, Watched},
    trace::Trace,
};

/// What one thread needs to answer requests.
pub(crate) struct Edge {
    pub(crate) router: Router,
    /// Knows the rules for other origins.
    pub(crate) shared: Arc<RouterSharedState>,
    pub(crate) max_body: usize,
    /// How long a body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// How long a client may leave unread what it was sent.
    pub(crate) slow_reader: Duration,
    /// Cancelled when streams have to end.
    pub(crate) closing: CancellationToken,
}

impl Edge {
    /// Answers whatever no other route answers.
    pub(crate) async fn answer(
        &self,
        mut request: WebRequest<DefaultError>,
    ) -> Result<WebResponse, web::Error> {
        let id = request_id(request.headers_mut(), &self.router.gate.ids);
        let mut response = match (request.path(), request.method()) {
            (GRAPHQL, _) => self.graphql(request, id.made).await?,
            (OAUTH_TOKEN, &Method::POST) => self.token(request).await?,
            _ => request.into_response(HttpResponse::NotFound().body("the API is at /graphql")),
        };
        response.headers_mut().insert(REQUEST_ID, id.value);
        Ok(response)
    }

    async fn graphql(
        &self,
        mut request: WebRequest<DefaultError>,
        made_id: bool,
    ) -> Result<WebResponse, web::Error> {
        let operation = match *request.method() {
            Method::GET if asks(request.query_string()) => from_query(request.query_string()),
            Method::POST if is_json(&request) => {
                self.body(&mut request, self.max_body, "gateway.limits.body_bytes").await?
            }
            _ => {
                // The explorer, questions of browsers before they ask, and mistakes.
                drop(request.take_payload());
                request.head_mut().uri = Uri::from_static(GRAPHQL);
                return pass(&self.router.queries, request, None).await;
            }
        };
        let body = match operation {
            Ok(body) => body,
            Err(refusal) => {
                let gate = &self.router.gate;
                let address = gate.address(request.peer_addr(), request.headers());
                let refusal = gate.charge(address).await.err().unwrap_or(refusal);
                return Ok(self.refuse(request, &refusal));
            }
        };
        let trace = Trace::begin(request.headers_mut(), "http");
        trace.run(self.operation(request, body, made_id)).await
    }

    /// Answers an operation that was read and nothing else.
    async fn operation(
        &self,
        mut request: WebRequest<DefaultError>,
        body: Bytes,
        made_id: bool,
    ) -> Result<WebResponse, web::Error> {
        let gate = &self.router.gate;
        let address = gate.address(request.peer_addr(), request.headers());
        let admission = match gate.admit(request.headers_mut(), address, body).await {
            Ok(mut admission) => {
                admission.admitted.made_id = made_id;
                admission
            }
            Err(refusal) => return Ok(self.refuse(request, &refusal)),
        };
        self.execute(request, admission).await
    }

    /// Answers an operation that was admitted.
    async fn execute(
        &self,
        mut request: WebRequest<DefaultError>,
        admission: Admission,
    ) -> Result<WebResponse, web::Error> {
        let Admission { admitted, subscription, question, body, meter } = admission;
        // That needs no router if there is an answer, or a way to one.
        let mut single = None;
        if question.is_some() || admitted.shortcut().is_some() {
            let (asked, kind) = request::single_type(request, self.shared.router_config.laboratory.enabled);
            (request, single) = (asked, kind);
        }
        if let (Some(question), Some(kind)) = (&question, single) {
            let query = Query { question, headers: request.headers(), body: &body, admitted: &admitted };
            match self.router.prepared(query, kind).await {
                Some(Prepared::ForAll(answer)) => {
                    meter.answered_well();
                    return Ok(self.known(request, &answer, kind).await);
                }
                Some(Prepared::Own(response)) => {
                    meter.answered_with(response.status(), response.body());
                    return Ok(not_kept(self.respond(request, response)));
                }
                None => {}
            }
        }
        if let Some(subscription) = subscription {
            let (asked, format) =
                request::stream_format(request, self.shared.router_config.laboratory.enabled);
            request = asked;
            if let Some(format) = format {
                let left =
                    self.router.gate.seconds_left(&admitted.caller).filter(|_| !subscription.is_shared());
                let viewer = self.router.view(subscription, request.headers().clone(), body, admitted);
                match &viewer {
                    Ok(_) => meter.opened(),
                    Err(full) => meter.refused(&full.refusal()),
                }
                return Ok(self.stream(request, viewer, format, left));
            }
        }
        let mut admitted = self.router.own(admitted);
        // The router refuses mutations that come by `GET`.
        if let Some(kind) = single.filter(|_| question.is_some() || request.method() == Method::POST)
            && let Some(response) = self.router.shortcut(request.headers(), &body, &mut admitted, kind).await
        {
            Router::learn(question.as_ref(), &response);
            meter.answered_with(response.status(), response.body());
            return Ok(not_kept(self.respond(request, response)));
        }
        // What was looked at is what is executed.
        if request.method() == Method::GET {
            let said = Params::parse(&body)
                .ok()
                .and_then(|params| Uri::try_from(format!("{GRAPHQL}?{}", params.query_string())).ok());
            let Some(uri) = said else {
                return Ok(self.refuse(request, &Refusal::bad("The query string cannot be read.")));
            };
            request.head_mut().uri = uri;
        } else {
            request::put_back(&mut request, body);
        }
        let response = pass(&self.router.queries, request, Some(admitted)).await?;
        Router::learn(question.as_ref(), response.response());
        meter.answered_with(response.status(), response.response().body());
        Ok(not_kept(response))
    }

    /// An answer that was there, or is there now.
    async fn known(
        &self,
        request: WebRequest<DefaultError>,
        answer: &Answer,
        kind: &'static str,
    ) -> WebResponse {
        let mut response = HttpResponse::Ok();
        response.header(CONTENT_TYPE, HeaderValue::from_static(kind));
        response.header(CACHE_CONTROL, answer.cache_control());
        if let Some(answers) = &self.router.answers {
            response.header(VARY, answers.vary.clone());
        }
        let compression = &self.shared.router_config.traffic_shaping.router.compression.response;
        let body = match answer.packed(request.headers(), compression).await {
            Some(packed) => {
                response.header(CONTENT_ENCODING, HeaderValue::from_static(GZIP));
                packed
            }
            None => answer.body.clone(),
        };
        self.respond(request, response.body(body))
    }

    /// Reads the body of a request.
    async fn body(
        &self,
        request: &mut WebRequest<DefaultError>,
        limit: usize,
        setting: &'static str,
    ) -> Result<Result<Bytes, Refusal>, web::Error> {
        if request.headers().contains_key(CONTENT_ENCODING) {
            let refusal = Refusal::bad("Compressed requests are not accepted.");
            return Ok(Err(refusal.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)));
        }
        let Ok(body) = timeout(self.body_timeout, request::read(request.take_payload(), limit)).await else {
            metrics::counter!("gateway_bodies_late_total").increment(1);
            // What is left of it is not waited for: the server closes the connection.
            let refusal = Refusal::bad("The body of the request did not arrive in time.");
            return Ok(Err(refusal.with_status(StatusCode::REQUEST_TIMEOUT)));
        };
        Ok(body?.ok_or_else(|| {
            let message = format!("The request is longer than {limit} bytes ({setting}).");
            Refusal::bad(message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }))
    }

    /// Lets whoever makes tokens answer.
    async fn token(&self, mut request: WebRequest<DefaultError>) -> Result<WebResponse, web::Error> {
        let gate = Arc::clone(&self.router.gate);
        let Some(oauth) = &gate.oauth else {
            return Ok(request.into_response(HttpResponse::NotFound().body("the API is at /graphql")));
        };
        let address = gate.address(request.peer_addr(), request.headers());
        let answer = async {
            gate.take_sign_in(address).await?;
            let body = self.body(&mut request, OAUTH_LIMIT, "fixed").await.map_err(|error| {
                tracing::debug!(%error, "a request for a token broke off");
                Refusal::bad("The body cannot be read.")
            })??;
            oauth.answer(request.headers(), body).await
        };
        match answer.await {
            Ok(response) => Ok(request.into_response(response)),
            Err(refusal) => Ok(self.refuse(request, &refusal)),
        }
    }

    /// The events of an audience, until its viewer may see no more, `left` seconds from now.
    fn stream(
        &self,
        request: WebRequest<DefaultError>,
        viewer: Result<Viewer, Full>,
        format: Format,
        left: Option<u64>,
    ) -> WebResponse {
        let closing = self.closing.clone();
        let response = match viewer {
            Ok(viewer) => {
                // Its client connects again when the stream ends without saying so.
                let chunks = format.written(viewer).take_until(Box::pin(async move {
                    tokio::select! {
                        () = closing.cancelled() => {}
                        () = expiry(left) => {}
                    }
                }));
                HttpResponse::Ok()
                    .content_type(format.content_type())
                    .header(CACHE_CONTROL, "no-cache")
                    .streaming(Watched::new(Box::pin(chunks), request.io(), self.slow_reader))
            }
            Err(full) => full.refusal().response(request.headers()),
        };
        self.respond(request, response)
    }

    fn refuse(&self, request: WebRequest<DefaultError>, refusal: &Refusal) -> WebResponse {
        let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        tracing::debug!(request_id = id, code = %refusal.code, "refused an operation");
        let response = refusal.response(request.headers());
        self.respond(request, response)
    }

    /// An answer of the gateway's own, which pages of other origins may read as they may the router's.
    fn respond(&self, request: WebRequest<DefaultError>, mut response: HttpResponse) -> WebResponse {
        let (http, _) = request.into_parts();
        if let Some(cors) = &self.shared.cors_runtime {
            cors.set_headers(&http, response.headers_mut());
        }
        WebResponse::new(response, http)
    }
}

/// Whether the router would read the body of a request as JSON.
fn is_json(request: &WebRequest<DefaultError>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.contains("application/json"))
}

/// Lets the router answer.
async fn pass(
    router: &InProcess,
    mut request: WebRequest<DefaultError>,
    admitted: Option<Admitted>,
) -> Result<WebResponse, web::Error> {
    let response = router.call(request::take(&mut request, admitted)).await?;
    Ok(request.into_response(response))
}

/// The answer to an operation that is the business of its caller alone.
fn not_kept(mut response: WebResponse) -> WebResponse {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn expiry(left: Option<u64>) {
    match left {
        Some(left) => sleep(Duration::from_secs(left)).await,
        None => pending().await,
    }
}
