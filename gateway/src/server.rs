//! The gateway's thread: the runtime of ntex, the router's parts, and the HTTP server with its
//! orderly end.

use std::{
    collections::BTreeMap,
    mem,
    net::TcpListener,
    sync::{Arc, Once},
    thread::available_parallelism,
    time::Duration,
};

use hive_router::{
    RouterSharedState,
    background_tasks::BackgroundTasksManager,
    build_http_service_config,
    config::HiveRouterConfig,
    configure_app_from_config,
    graphql_tools::validation::rules::default_rules_validation_plan,
    init_rustls_crypto_provider, invoke_shutdown_hooks,
    opentelemetry::metrics::MeterProvider,
    telemetry::{
        PrometheusAttached, TelemetryContext, build_resource, build_scope,
        metrics::build_meter_provider_from_config, traces::set_tracing_enabled,
    },
};
use ntex::{
    SharedCfg,
    http::HttpService,
    rt::{self, DefaultRuntime, System},
    server::{Config as ServiceConfig, Server},
    util::Bytes,
    web::HttpServer,
};
use platform::{
    Shutdown, Telemetry,
    cache::listen,
    http::{Readiness, ops_routes},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, GatewayError, Outside,
    admission::Gate,
    answers::Answers,
    app::App,
    audience::Audiences,
    connections::{Connections, Counted},
    explorer, open_files,
    ops::{self, Ops},
    places::{Limits, Places},
    plugins::{self, local::Local},
    router::Routers,
    settings::{GRAPHQL, METRICS, Settings},
    shield::Shield,
    shortcut::Shortcuts,
    socket::Sockets,
    subscription::Rules,
    supergraph::Supergraph,
    tls::Certificate,
};

/// A supergraph that has been checked is planned for within this time.
const LOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether the supergraph is loaded; the router does not tell.
const LOAD_POLL: Duration = Duration::from_millis(5);
/// What sockets may take to close after they have nothing to answer any more.
const CLOSE_GRACE: Duration = Duration::from_secs(3);
/// What is told of changes of what queries are answered with.
const CATALOG: &str = "catalog";

/// Serves until `shutdown` begins and all is drained. Blocks its thread.
pub(crate) fn serve(
    config: Config,
    outside: Outside,
    telemetry: Telemetry,
    supergraph: Supergraph,
    settings: Settings,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), GatewayError> {
    // The runtime has its own: signals are the business of `main`.
    let system = System::build().name("gateway").disable_signals().build(DefaultRuntime);
    system.block_on(async move {
        let gateway = Gateway::start(config, outside, telemetry, supergraph, settings, shutdown).await?;
        gateway.serve(listener).await
    })
}

struct Gateway {
    config: Config,
    certificate: Option<Arc<Certificate>>,
    routers: Routers,
    /// Recording stops when it is dropped.
    _meter: Option<Box<dyn MeterProvider>>,
    background: BackgroundTasksManager,
    telemetry: Telemetry,
    shutdown: Shutdown,
}

impl Gateway {
    /// Builds the router and waits until it can plan.
    async fn start(
        config: Config,
        mut outside: Outside,
        telemetry: Telemetry,
        supergraph: Supergraph,
        settings: Settings,
        shutdown: Shutdown,
    ) -> Result<Self, GatewayError> {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(init_rustls_crypto_provider);
        let certificate = config.tls.as_ref().map(Certificate::load).transpose()?;
        open_files::raise(&config.caps);
        // The router's spans are spans of ours: they go where those of the process go, if anywhere.
        set_tracing_enabled(telemetry.has_traces());
        // The router keeps its settings for the life of the process.
        let (for_queries, for_subscriptions) =
            (settings.queries.into_static(), settings.subscriptions.into_static());
        let (context, registry, meter) = router_telemetry(for_queries)?;
        let mut background = BackgroundTasksManager::new();
        let (subscriptions, schema) =
            configure_app_from_config(for_subscriptions, context, &mut background, plugins::registry())
                .await
                .map_err(|error| refused(&error))?;
        let queries = beside(&subscriptions, for_queries).map_err(|error| refused(&error))?;

        let deadline = Instant::now() + LOAD_TIMEOUT;
        while schema.configured_runtime().is_none() {
            if Instant::now() > deadline {
                return Err(GatewayError::NotLoaded { path: supergraph.path });
            }
            sleep(LOAD_POLL).await;
        }
        let caps = &config.caps;
        let places = Places::new(
            Limits {
                all: caps.subscriptions,
                per_address: caps.subscriptions_per_address,
                per_user: caps.subscriptions_per_user,
            },
            "gateway_subscriptions",
            "gateway_subscriptions_limit",
        );
        let audiences = Audiences::new(places, caps.events_per_reader, config.deduplicate);
        let rules = Arc::new(Rules::new(&config));
        let here = if config.local_subgraphs { mem::take(&mut outside.local) } else { BTreeMap::new() };
        let shortcuts = Shortcuts::new(&config, supergraph.facts);
        let local = Arc::new(Local::new(here, &subscriptions, shortcuts));
        let answers = Answers::new(&config, outside.validators.take());
        if let (Some(answers), Some(redis)) = (&answers, &outside.redis) {
            let answers = Arc::clone(answers);
            listen(redis, CATALOG, &shutdown, move |_| answers.forget());
        }
        let gate = Gate::new(&config, supergraph.scopes, Arc::clone(&rules), outside)?;
        let gate = Arc::new(gate);
        let routers = Routers {
            schema,
            queries,
            subscriptions,
            metrics: registry,
            audiences,
            rules,
            gate,
            answers,
            local,
        };
        Ok(Self { config, certificate, routers, _meter: meter, background, telemetry, shutdown })
    }

    async fn serve(mut self, listener: TcpListener) -> Result<(), GatewayError> {
        let closing = CancellationToken::new();
        let sockets = Arc::new(Sockets::new(&self.config, self.shutdown.clone(), closing.clone()));
        let ops = self.ops();
        let for_machines = self.listen_ops(ops.clone())?;
        let server = self
            .listen(listener, ops, Arc::clone(&sockets), closing.clone())
            .map_err(GatewayError::Server)?;
        if let Some(answers) = &self.routers.answers {
            let router = self.routers.of_thread().await;
            let nobody = router.gate.nobody();
            rt::spawn(Arc::clone(answers).keep_warm(router.queries, nobody, self.shutdown.token()));
        }
        let address = self.routers.queries.router_config.address();
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        tracing::info!(graphql = %format_args!("{scheme}://{address}{GRAPHQL}"), "the gateway is serving");
        let result = tokio::select! {
            ended = server.clone() => ended.map_err(GatewayError::Server),
            () = self.drained(&sockets, &closing) => {
                // A server can be told to stop only once.
                let hard = self.shutdown.hard();
                if hard.is_cancelled() {
                    server.stop(false).await;
                } else {
                    hard.run_until_cancelled(server.stop(true)).await;
                }
                Ok(())
            }
        };
        if let Some(server) = for_machines {
            server.stop(false).await;
        }
        self.background.graceful_shutdown().await;
        invoke_shutdown_hooks(&self.routers.queries).await;
        result
    }

    /// Health, readiness and the metrics of the process.
    fn ops(&self) -> axum::Router {
        let schema = Arc::clone(&self.routers.schema);
        let readiness = Readiness::new(&self.shutdown, &self.telemetry).check("supergraph", move || {
            let loaded = schema.configured_runtime().is_some();
            async move { loaded.then_some(()).ok_or("not loaded") }
        });
        ops_routes(readiness)
    }

    /// The server for machines, if it has an address of its own.
    fn listen_ops(&self, routes: axum::Router) -> Result<Option<Server>, GatewayError> {
        let Some(address) = self.config.ops_listen else { return Ok(None) };
        let routers = self.routers.clone();
        let server = HttpServer::new(async move || {
            let router = routers.of_thread().await.queries;
            ops::service(Ops { routes: routes.clone(), router })
        });
        let listener =
            TcpListener::bind(address).map_err(|source| GatewayError::ListenOps { address, source })?;
        let server = server.disable_signals().workers(1).listen(listener).map_err(GatewayError::Server)?;
        Ok(Some(server.run()))
    }

    fn listen(
        &self,
        listener: TcpListener,
        ops: axum::Router,
        sockets: Arc<Sockets>,
        closing: CancellationToken,
    ) -> std::io::Result<Server> {
        let app = App {
            routers: self.routers.clone(),
            sockets,
            ops,
            has_ops: self.config.ops_listen.is_some(),
            max_body: self.config.limits.body_bytes,
            body_timeout: Duration::from_millis(self.config.body_timeout_ms),
            slow_reader: Duration::from_millis(self.config.caps.slow_reader_ms),
            shield: Shield::new(&self.config),
            closing,
        };
        let settings = self.routers.queries.router_config;
        let workers =
            self.config.workers.or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
        let http = SharedCfg::from(SharedCfg::new("GATEWAY").add(build_http_service_config(settings)));
        let connections = Connections::new(&self.config);
        let server = ntex::server::build()
            .disable_signals()
            .shutdown_timeout(settings.shutdown_timeout())
            .workers(workers)
            // A thread that has its share accepts no more. Sockets are none of these.
            .maxconn(self.config.caps.connections.div_ceil(workers));
        let server = match self.certificate.clone() {
            None => server.listen("gateway", listener, async move |listening: ServiceConfig| {
                listening.config(http.clone());
                let service = HttpService::new(app.clone().of_thread().await);
                Counted::new(service, Arc::clone(&connections))
            })?,
            Some(certificate) => {
                rt::spawn(Arc::clone(&certificate).follow(self.shutdown.clone()));
                server.listen("gateway", listener, async move |listening: ServiceConfig| {
                    listening.config(http.clone());
                    let service = HttpService::new(app.clone().of_thread().await);
                    Counted::new(service.rustls(certificate.server()), Arc::clone(&connections))
                })?
            }
        };
        Ok(server.run())
    }

    /// Returns when the shutdown has begun and nothing long-lived is left. Requests are answered
    /// until then, for those who do not know yet.
    async fn drained(&self, sockets: &Sockets, closing: &CancellationToken) {
        self.shutdown.token().cancelled().await;
        let hard = self.shutdown.hard();
        hard.run_until_cancelled(sleep(Duration::from_millis(self.config.drain_delay_ms))).await;
        closing.cancel();
        let closed = timeout(self.config.drain_timeout() + CLOSE_GRACE, sockets.closed());
        let _ = hard.run_until_cancelled(closed).await;
    }
}

/// A second router over the schema of the first.
fn beside(
    first: &RouterSharedState,
    settings: &'static HiveRouterConfig,
) -> Result<Arc<RouterSharedState>, impl std::error::Error + use<>> {
    RouterSharedState::new(
        settings,
        None,
        default_rules_validation_plan(),
        Arc::clone(&first.telemetry_context),
        first.plugins.clone(),
        first.active_subscriptions.clone(),
        Arc::clone(&first.storage_manager),
    )
    .map(|mut second| {
        // With the limits.
        second.validation_plan = Arc::clone(&first.validation_plan);
        second.laboratory_html = Bytes::from_static(explorer::PAGE.as_bytes());
        Arc::new(second)
    })
}

type RouterTelemetry = (TelemetryContext, Option<PrometheusAttached>, Option<Box<dyn MeterProvider>>);

/// The router's metrics go to a registry of its own, and its logs where those of the process go.
fn router_telemetry(settings: &HiveRouterConfig) -> Result<RouterTelemetry, GatewayError> {
    let resource = build_resource(&settings.telemetry).map_err(|error| refused(&error))?;
    let setup =
        build_meter_provider_from_config(&settings.telemetry, resource).map_err(|error| refused(&error))?;
    let context = TelemetryContext::from_propagation_config_with_meter(
        &settings.telemetry.tracing.propagation,
        &settings.log,
        setup.as_ref().map(|setup| setup.provider.meter_with_scope(build_scope())),
        false,
    );
    let Some(setup) = setup else { return Ok((context, None, None)) };
    let registry = setup
        .prometheus
        .map(|prometheus| PrometheusAttached { registry: prometheus.registry, endpoint: METRICS.to_owned() });
    Ok((context, registry, Some(Box::new(setup.provider))))
}

fn refused(error: &dyn std::error::Error) -> GatewayError {
    GatewayError::Settings {
        reason: error.to_string(),
        advice: "Check the section `gateway` and the file of gateway.router_config".to_owned(),
    }
}
