//! The routes of the listener.

use std::{rc::Rc, sync::Arc, time::Duration};

use hive_router::pipeline::response_compression::ResponseCompressionService;
use ntex::{
    SharedCfg,
    http::Request,
    service::{IntoServiceFactory, ServiceFactory, fn_service},
    web::{self, DefaultError, WebRequest, WebResponse},
};
use platform::faults::PATHS;
use tokio_util::sync::CancellationToken;

use crate::{
    edge::Edge,
    ops::{self, Ops},
    request,
    router::Routers,
    settings::{GRAPHQL, METRICS},
    shield::Shield,
    socket::{self, Sockets},
};

/// What each of the server's threads builds its services from.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) routers: Routers,
    pub(crate) sockets: Arc<Sockets>,
    /// Health, readiness and the metrics of the process, as every role answers them.
    pub(crate) ops: axum::Router,
    pub(crate) max_body: usize,
    /// How long a body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// How long a client may leave unread what it was sent.
    pub(crate) slow_reader: Duration,
    /// Whether metrics are answered elsewhere, and not here.
    pub(crate) has_ops: bool,
    pub(crate) shield: Shield,
    /// Cancelled when sockets and streams have to end.
    pub(crate) closing: CancellationToken,
}

impl App {
    /// The services of one thread.
    pub(crate) async fn of_thread(
        self,
    ) -> impl ServiceFactory<Request, SharedCfg, Response = WebResponse, Error = web::Error, InitError = ()>
    {
        let router = self.routers.of_thread().await;
        let shared = self.routers.queries;
        let compression = ResponseCompressionService::new(shared.router_config);
        let edge = Rc::new(Edge {
            router: router.clone(),
            shared,
            max_body: self.max_body,
            body_timeout: self.body_timeout,
            slow_reader: self.slow_reader,
            closing: self.closing,
        });
        let app = web::App::new()
            .middleware(compression)
            .middleware(self.shield)
            .state(self.sockets)
            .state(Ops { routes: self.ops, router: router.queries.clone() })
            .state(router)
            .service(
                web::resource(GRAPHQL)
                    .guard(web::guard::fn_guard(|head| request::is_upgrade(head.headers())))
                    .route(web::get().to(socket::upgrade)),
            )
            .route("/health", web::get().to(ops::answer))
            .route("/ready", web::get().to(ops::answer));
        let app = if self.has_ops { app } else { app.route(METRICS, web::get().to(ops::metrics_here)) };
        // In builds for tests only; else there are none.
        let app = PATHS.iter().fold(app, |app, path| app.route(path, web::route().to(ops::pass)));
        let answer = fn_service(move |request: WebRequest<DefaultError>| {
            let edge = Rc::clone(&edge);
            async move { edge.answer(request).await }
        });
        app.default_service(answer).into_factory()
    }
}
