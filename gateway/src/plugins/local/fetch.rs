//! What the router's HTTP executor does for a fetch, up to the network: equal requests in flight share
//! an answer, so many at once and no more, a timeout, spans and metrics under the same names, the same
//! errors. The hook of plugins for HTTP requests to subgraphs is not called; the gateway's has none.

use std::{
    hash::{Hash, Hasher},
    mem,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, to_bytes};
use futures::stream::BoxStream;
use hive_router::{
    RouterSharedState, SubgraphHttpResponse, async_trait,
    executor::{
        executors::{
            common::{SubgraphExecutionRequest, SubgraphExecutor, SubgraphExecutorBoxedArc},
            dedupe::unique_leader_fingerprint,
            error::SubgraphExecutorError,
            http::build_request_body,
            inflight::{InFlightMap, InFlightRole},
        },
        response::subgraph_response::SubgraphResponse,
    },
    http::{
        HeaderMap, HeaderValue, Method, Request, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    plugins::plugin_context::PluginRequestState,
    query_planner::planner::plan_nodes::CustomScalarPaths,
    telemetry::{
        TelemetryContext, external_wait,
        metrics::{
            catalog::values::GraphQLResponseStatus, http_client_metrics::HttpClientRequestStateCapture,
        },
        traces::spans::http_request::{HttpClientRequestSpan, HttpInflightRequestSpan},
    },
};
use http_body_util::Full;
use platform::http::{Direct, Start};
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument as _;

use crate::shortcut::Outcome;

type Result<T, E = SubgraphExecutorError> = std::result::Result<T, E>;

/// As the HTTP executor says it.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// What an answer may be.
const ANSWERS: [&str; 2] = ["application/json", "application/graphql-response+json"];

/// One subgraph of this process.
pub(crate) struct Subgraph {
    name: String,
    routes: Direct,
    /// Where the router would send requests, from the first one on.
    endpoint: OnceLock<Uri>,
    /// Whether equal requests share an answer.
    shares: bool,
    in_flight: InFlightMap<Arc<Asked>, Shared>,
    /// As many requests at once as there would be connections.
    places: Semaphore,
    telemetry: Arc<TelemetryContext>,
}

/// In which way a subgraph is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
    /// Where its work begins.
    pub(crate) start: Start,
}

/// An answer, and a number for whoever got it first.
type Shared = (SubgraphHttpResponse, u64);

/// What a subgraph is asked, and for whom. Those who ask exactly the same share an answer.
#[derive(PartialEq, Eq)]
struct Asked {
    headers: HeaderMap,
    body: Bytes,
}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.body.hash(state);
        self.headers.get(AUTHORIZATION).hash(state);
    }
}

impl Subgraph {
    pub(super) fn new(name: String, routes: Direct, router: &RouterSharedState) -> Self {
        let shaping = &router.router_config.traffic_shaping;
        let own = shaping.subgraphs.get(&name).and_then(|own| own.dedupe_enabled);
        Self {
            shares: own.unwrap_or(shaping.all.dedupe_enabled),
            in_flight: InFlightMap::default(),
            places: Semaphore::new(shaping.max_connections_per_host),
            telemetry: Arc::clone(&router.telemetry_context),
            endpoint: OnceLock::new(),
            name,
            routes,
        }
    }

    /// Where the router would send requests, once it had to.
    pub(crate) fn endpoint(&self) -> Option<&Uri> {
        self.endpoint.get()
    }

    /// What a request is answered with. Whoever was first to ask has the measurement of it.
    pub(crate) async fn ask<'s>(
        &'s self,
        endpoint: &Uri,
        request: &mut SubgraphExecutionRequest<'_>,
        manner: Manner,
    ) -> Result<(SubgraphHttpResponse, Option<Measured<'s>>)> {
        let body = Bytes::from(build_request_body(request)?);
        let mut headers = mem::take(&mut request.headers);
        headers.insert(CONTENT_TYPE, JSON);
        let _waiting = external_wait::enter();
        if self.shares && request.dedupe {
            return self.share(endpoint, Asked { headers, body }, manner).await;
        }
        let (response, measured) = self.fetch(endpoint, headers, body, manner).await?;
        Ok((response, Some(measured)))
    }

    /// The answer that all get who ask the same now. Whoever was first has the measurement of it.
    async fn share<'s>(
        &'s self,
        endpoint: &Uri,
        asked: Asked,
        manner: Manner,
    ) -> Result<(SubgraphHttpResponse, Option<Measured<'s>>)> {
        let span = HttpInflightRequestSpan::new(&Method::POST, endpoint, &asked.headers, &asked.body);
        let sharing = async {
            let (asked, mut own) = (Arc::new(asked), None);
            let claim = self.in_flight.claim(Arc::clone(&asked));
            let (shared, role) = claim
                .get_or_try_init(|| async {
                    let (headers, body) = (asked.headers.clone(), asked.body.clone());
                    let (response, measured) = self.fetch(endpoint, headers, body, manner).await?;
                    own = Some(measured);
                    Ok::<_, SubgraphExecutorError>((response, unique_leader_fingerprint()))
                })
                .await?;
            let (response, leader) = &*shared;
            match role {
                InFlightRole::Leader => span.record_as_leader(leader),
                InFlightRole::Joiner => span.record_as_joiner(leader),
            }
            span.record_response(&response.body, &response.status);
            Ok((response.clone(), own))
        };
        sharing.instrument(span.span.clone()).await
    }

    /// Asks. What takes longer than it may is carried through, but nobody waits for it.
    async fn fetch(
        &self,
        endpoint: &Uri,
        headers: HeaderMap,
        body: Bytes,
        manner: Manner,
    ) -> Result<(SubgraphHttpResponse, Measured<'_>)> {
        // It is never closed.
        let _place = self.places.acquire().await;
        let sent = body.len() as u64;
        let mut request = Request::post(endpoint).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let span = HttpClientRequestSpan::from_request(&request);
        let client = &self.telemetry.metrics.http_client;
        let mut capture = client.capture_request(&request, sent, Some(&self.name));
        let began = Instant::now();
        let asking = async {
            self.telemetry.inject_context_into_http_headers(request.headers_mut());
            let answering = self.answer(endpoint, request, manner.start, &span);
            match manner.limit {
                Some(limit) => timeout(limit, answering).await?,
                None => answering.await,
            }
        };
        let answer = asking.instrument(span.span.clone()).await;
        let took = began.elapsed();
        match answer {
            Ok(response) => {
                capture.set_status_code(response.status.as_u16());
                let received = response.body.len() as u64;
                Ok((response, Measured { capture, received, took }))
            }
            Err(error) => {
                span.record_error(error.error_code());
                capture.finish_error(error.error_code(), took);
                Err(error)
            }
        }
    }

    async fn answer(
        &self,
        endpoint: &Uri,
        request: Request<Full<Bytes>>,
        start: Start,
        span: &HttpClientRequestSpan,
    ) -> Result<SubgraphHttpResponse> {
        let response = self.routes.call(request.map(Body::new), start).await;
        span.record_response(&response);
        let (head, body) = response.into_parts();
        let headers = Arc::new(head.headers);
        match to_bytes(body, usize::MAX).await {
            Ok(body) if body.is_empty() => {
                Err(SubgraphExecutorError::EmptyResponseBody(self.name.clone(), headers))
            }
            Ok(body) => Ok(SubgraphHttpResponse { status: head.status, headers, body }),
            Err(error) => Err(SubgraphExecutorError::ResponseBodyReadFailure(
                endpoint.to_string(),
                error.to_string(),
                headers,
            )),
        }
    }

    /// What an answer says.
    fn read(
        &self,
        response: SubgraphHttpResponse,
        scalars: Option<&CustomScalarPaths>,
    ) -> Result<SubgraphResponse<'static>> {
        let SubgraphHttpResponse { status, headers, body } = response;
        if !is_json(&headers) {
            let (name, kind) = (self.name.clone(), kind(&headers).to_owned());
            return Err(SubgraphExecutorError::InvalidContentType(name, kind, headers));
        }
        match SubgraphResponse::deserialize_from_bytes(body, scalars) {
            Ok(read) => Ok(SubgraphResponse { headers: Some(headers), status: Some(status), ..read }),
            Err(SubgraphExecutorError::ResponseDeserializationFailure(error, _)) => {
                Err(SubgraphExecutorError::ResponseDeserializationFailure(error, Some(headers)))
            }
            Err(error) => Err(error),
        }
    }
}

fn kind(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// Whether an answer with these headers can be read.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let essence = kind(headers).split(';').next().unwrap_or_default().trim();
    ANSWERS.iter().any(|answer| answer.eq_ignore_ascii_case(essence))
}

/// How a fetch went, until it is known what its answer says.
pub(crate) struct Measured<'s> {
    capture: HttpClientRequestStateCapture<'s>,
    received: u64,
    took: Duration,
}

impl Measured<'_> {
    /// Its answer is a good one, or is none, for a reason with this code.
    pub(crate) fn finish(mut self, good: bool, code: Option<&'static str>) {
        let status = if good { GraphQLResponseStatus::Ok } else { GraphQLResponseStatus::Error };
        self.capture.finish(self.received, self.took, status, code);
    }
}

/// Asks a subgraph of this process for one fetch.
pub(super) struct Fetcher {
    subgraph: Arc<Subgraph>,
    /// Who would ask it over the network.
    network: SubgraphExecutorBoxedArc,
    /// What came of it, if it was asked already.
    outcome: Mutex<Option<Outcome>>,
}

impl Fetcher {
    pub(super) fn new(
        subgraph: Arc<Subgraph>,
        network: SubgraphExecutorBoxedArc,
        outcome: Option<Outcome>,
    ) -> Self {
        subgraph.endpoint.get_or_init(|| network.endpoint().clone());
        Self { subgraph, network, outcome: Mutex::new(outcome) }
    }
}

#[async_trait]
impl SubgraphExecutor for Fetcher {
    fn executor_name(&self) -> &str {
        "local"
    }

    fn endpoint(&self) -> &Uri {
        self.network.endpoint()
    }

    async fn execute<'a>(
        &self,
        mut request: SubgraphExecutionRequest<'a>,
        limit: Option<Duration>,
        _: Option<&'a PluginRequestState<'a>>,
    ) -> Result<SubgraphResponse<'static>> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (response, measured) = match outcome {
            Some(outcome) => (outcome?, None),
            None => {
                // This is on top of the router's stack, which a deep query would add to.
                let manner = Manner { limit, start: Start::InTask };
                self.subgraph.ask(self.network.endpoint(), &mut request, manner).await?
            }
        };
        let read = self.subgraph.read(response, request.custom_scalar_paths);
        if let Some(measured) = measured {
            let good = read.as_ref().is_ok_and(|answer| answer.errors.as_ref().is_none_or(Vec::is_empty));
            measured.finish(good, read.as_ref().err().map(SubgraphExecutorError::error_code));
        }
        read
    }

    async fn subscribe<'a>(
        &self,
        request: SubgraphExecutionRequest<'a>,
        limit: Option<Duration>,
    ) -> Result<BoxStream<'static, Result<SubgraphResponse<'static>>>> {
        self.network.subscribe(request, limit).await
    }
}
