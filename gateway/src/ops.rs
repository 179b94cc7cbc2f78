//! Health, readiness and metrics: the answers of every role, and the router's metrics with them. Metrics tell
//! more than clients should know, so they are answered at an address of their own (`gateway.ops_listen`), or
//! to this machine alone.

use axum::body::{Body, to_bytes};
use ntex::{
    SharedCfg,
    http::{Method, Request, StatusCode, Uri, header},
    service::{IntoServiceFactory, ServiceFactory},
    util::Bytes,
    web::{self, HttpRequest, HttpResponse, WebResponse},
};
use tower::ServiceExt;

use crate::{request, router::InProcess, settings::METRICS};

/// What proxies add.
const PROXIED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];
/// No report is longer.
const LIMIT: usize = 16 * 1024 * 1024;

/// Who knows the answers.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) routes: axum::Router,
    pub(crate) router: InProcess,
}

/// Passes the answer of the process on.
pub(crate) async fn answer(request: HttpRequest, ops: web::types::State<Ops>) -> HttpResponse {
    let (status, kind, body) = ops.of_process(request.path()).await;
    HttpResponse::build(status).content_type(kind).body(body)
}

/// Passes a request on as it is.
pub(crate) async fn pass(request: HttpRequest, body: Bytes, ops: web::types::State<Ops>) -> HttpResponse {
    let asked = axum::http::Request::builder()
        .method(request.method().as_str())
        .uri(request.path())
        .header(axum::http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_vec()))
        .unwrap_or_default();
    let (status, kind, body) = ops.ask(asked).await;
    HttpResponse::build(status).content_type(kind).body(body)
}

/// The routes for machines, at an address that clients cannot reach.
pub(crate) fn service(
    ops: Ops,
) -> impl ServiceFactory<Request, SharedCfg, Response = WebResponse, Error = web::Error, InitError = ()> {
    web::App::new()
        .state(ops)
        .route("/health", web::get().to(answer))
        .route("/ready", web::get().to(answer))
        .route(METRICS, web::get().to(metrics))
        .into_factory()
}

/// The metrics, where clients could reach them: for whoever works on this machine.
pub(crate) async fn metrics_here(request: HttpRequest, ops: web::types::State<Ops>) -> HttpResponse {
    match is_from_here(&request) {
        true => metrics(ops).await,
        false => HttpResponse::NotFound().body("the metrics are for this machine (gateway.ops_listen)"),
    }
}

/// Whether nobody but this machine has sent a request. A proxy on it speaks for others, and says so.
fn is_from_here(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let proxied = PROXIED.iter().any(|name| headers.contains_key(*name));
    !proxied && request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// The metrics of the process, then those of the router.
async fn metrics(ops: web::types::State<Ops>) -> HttpResponse {
    let (status, kind, mut body) = ops.of_process(METRICS).await;
    body.extend_from_slice(&ops.of_router().await);
    HttpResponse::build(status).content_type(kind).body(body)
}

impl Ops {
    async fn of_process(&self, path: &str) -> (StatusCode, String, Vec<u8>) {
        self.ask(axum::http::Request::get(path).body(Body::empty()).unwrap_or_default()).await
    }

    async fn ask(&self, request: axum::http::Request<Body>) -> (StatusCode, String, Vec<u8>) {
        let Ok(response) = self.routes.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or("text/plain").to_owned();
        let body = to_bytes(body, LIMIT).await.unwrap_or_default();
        (head.status, kind, body.into())
    }

    async fn of_router(&self) -> Bytes {
        let mut request = Request::new();
        request.head_mut().method = Method::GET;
        request.head_mut().uri = Uri::from_static(METRICS);
        match self.router.call(request).await {
            Ok(mut response) => request::read_answer(response.take_body()).await,
            Err(_) => Bytes::new(),
        }
    }
}
