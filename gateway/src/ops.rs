//! Health, readiness and metrics: the answers of every role, and the router's metrics with them.

use axum::body::{Body, to_bytes};
use ntex::{
    http::{Method, Request, StatusCode, Uri, header},
    util::Bytes,
    web::{self, HttpRequest, HttpResponse},
};
use tower::ServiceExt;

use crate::{request, router::InProcess, settings::METRICS};

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

/// The metrics of the process, then those of the router.
pub(crate) async fn metrics(ops: web::types::State<Ops>) -> HttpResponse {
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
