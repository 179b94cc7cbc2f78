//! The Hive router's own settings, made from [`Config`] in three layers: what the gateway finds
//! sensible, the operator's file over it, and over both what the gateway depends on.

use std::{net::SocketAddr, time::Duration};

use config::{File, FileFormat};
use hive_router::config::HiveRouterConfig;
use serde_json::{Value, json};

use crate::{
    Config, GatewayError, Introspection, Limits,
    origin::{LOOPBACK_PATTERN, Origins},
    plugins,
    supergraph::Supergraph,
};

/// The one path of GraphQL, for all transports.
pub(crate) const GRAPHQL: &str = "/graphql";
/// Where Prometheus reads.
pub(crate) const METRICS: &str = "/metrics";
/// The caller's token.
pub(crate) const AUTHORIZATION: &str = "authorization";
/// Events of a subscription that may come at once: a task of tokio may take 128 of them before it is the
/// turn of who reads them.
const BURST: usize = 256;
/// Forwarded, but no part of what decides an answer.
pub(crate) const TRACING_HEADERS: [&str; 3] = ["x-request-id", "traceparent", "tracestate"];

/// Headers that decide what the caller may see; lower case.
pub(crate) fn caller_headers(config: &Config) -> Vec<String> {
    std::iter::once(AUTHORIZATION.to_owned())
        .chain(config.forward_headers.iter().map(|name| name.to_ascii_lowercase()))
        .collect()
}

/// Headers that decide what the answer is: whoever asks for another type of answer gets another one.
fn deciding_headers(config: &Config) -> Vec<String> {
    let mut names = caller_headers(config);
    names.push("accept".to_owned());
    names
}

/// All headers that subgraphs get; lower case.
pub(crate) fn forwarded_headers(config: &Config) -> Vec<String> {
    let mut names = caller_headers(config);
    names.extend(TRACING_HEADERS.map(str::to_owned));
    names
}

/// The settings of both routers; see [`crate::router`] for why there are two.
pub(crate) struct Settings {
    pub(crate) queries: HiveRouterConfig,
    pub(crate) subscriptions: HiveRouterConfig,
}

impl Settings {
    pub(crate) fn new(
        config: &Config,
        supergraph: &Supergraph,
        address: SocketAddr,
    ) -> Result<Self, GatewayError> {
        let for_queries = json!({
            "subscriptions": { "enabled": false },
            "traffic_shaping": { "router": { "dedupe": { "enabled": config.deduplicate } } },
        });
        // Viewers are counted where they are, in the audience.
        let for_subscriptions = json!({
            "subscriptions": { "enabled": true },
            "traffic_shaping": { "router": { "dedupe": { "enabled": false }, "max_long_lived_clients": 0 } },
        });
        Ok(Self {
            queries: router(config, supergraph, address, for_queries)?,
            subscriptions: router(config, supergraph, address, for_subscriptions)?,
        })
    }
}

fn router(
    config: &Config,
    supergraph: &Supergraph,
    address: SocketAddr,
    purpose: Value,
) -> Result<HiveRouterConfig, GatewayError> {
    let refused = |error: config::ConfigError| GatewayError::Settings {
        reason: error.to_string(),
        advice: config.router_config.as_ref().map_or_else(
            || "Check the section `gateway`".to_owned(),
            |file| format!("Check the section `gateway` and {}", file.display()),
        ),
    };
    let layer = |value: Value| File::from_str(&value.to_string(), FileFormat::Json);
    let mut layers = config::Config::builder().add_source(layer(sensible(config, supergraph)?));
    if let Some(file) = &config.router_config {
        layers = layers.add_source(File::from(file.as_path()));
    }
    let settings: HiveRouterConfig = layers
        .add_source(layer(depended_on(config, supergraph, address)))
        .add_source(layer(purpose))
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(refused)?;
    match conflict(&settings) {
        Some(reason) => Err(refused(config::ConfigError::Message(reason.to_owned()))),
        None => Ok(settings),
    }
}

/// What an operator's file may not say, because answers could reach the wrong caller.
fn conflict(settings: &HiveRouterConfig) -> Option<&'static str> {
    if settings.jwt.is_jwt_auth_enabled() {
        return Some("`jwt` cannot be used: subgraphs verify tokens, and the gateway passes them on");
    }
    let mut rules = settings.headers.subgraphs.iter().flat_map(|subgraphs| subgraphs.values());
    rules.any(|rules| rules.request.is_some()).then_some(
        "`headers.subgraphs` cannot have rules for requests: name the headers in \
         gateway.forward_headers, so that callers are told apart by them",
    )
}

/// What an operator may change in a file of router settings.
fn sensible(config: &Config, supergraph: &Supergraph) -> Result<Value, GatewayError> {
    let limits = &config.limits;
    Ok(json!({
        // The page is [`crate::explorer`].
        "laboratory": { "enabled": config.has_explorer() },
        // Who may read the schema is decided before.
        "introspection": config.introspection() != Introspection::Off,
        "limits": {
            // As the gateway counts, so that it is the gateway that says which limit was passed.
            "max_depth": { "n": limits.depth, "flatten_fragments": true },
            "max_aliases": { "n": limits.aliases },
            "max_directives": { "n": limits.directives },
            "max_tokens": { "n": limits.tokens },
            "max_request_body_size": format!("{}B", limits.body_bytes),
        },
        "demand_control": demand_control(limits),
        "cors": cors(config),
        "override_subgraph_urls": { "subgraphs": subgraph_urls(config, supergraph)? },
        "subscriptions": {
            "websocket": { "subgraphs": websocket_paths(config, supergraph) },
        },
        "headers": { "all": { "response": [
            { "propagate": { "named": "cache-control", "algorithm": "append" } },
            { "propagate": { "named": "retry-after", "algorithm": "last" } },
        ] } },
        "traffic_shaping": {
            "all": { "request_timeout": milliseconds(config.subgraph_timeout_ms) },
            "router": {
                "request_timeout": milliseconds(config.request_timeout_ms),
                "keep_alive": "75s",
            },
        },
        "telemetry": { "metrics": {
            "exporters": [{ "kind": "prometheus", "path": METRICS }],
            "instrumentation": { "instruments": instruments() },
        } },
    }))
}

/// What the gateway's promises rest on.
fn depended_on(config: &Config, supergraph: &Supergraph, address: SocketAddr) -> Value {
    json!({
        "supergraph": { "source": "file", "path": supergraph.path },
        "http": {
            "host": address.ip(),
            "port": address.port(),
            "graphql_endpoint": GRAPHQL,
            "shutdown_timeout": milliseconds(config.drain_timeout_ms),
        },
        // The gateway has a WebSocket server of its own, on the same path.
        "websocket": { "enabled": false },
        // Its own broadcast has one reader, and skips without a word what that has not taken in time; the
        // audience's keeps events for readers that are behind, and tells them.
        "subscriptions": { "broadcast_capacity": config.caps.events_per_reader.max(BURST) },
        "headers": { "all": { "request": [{ "propagate": { "named": forwarded_headers(config) } }] } },
        "traffic_shaping": { "router": {
            "dedupe": { "headers": { "include": deciding_headers(config) } },
        } },
        "plugins": plugins::settings(config),
        // The plugin decides what is told of errors; the router's masking knows no codes.
        "error_masking": { "enabled": false },
    })
}

/// The router's metrics that nobody looks at. Each costs every operation something. Whoever wants one and says
/// so in a file of router settings leaves out the attribute `graphql.operation.name`: clients choose names.
const UNREAD: [&str; 16] = [
    "hive.router.request.overhead.duration",
    "hive.router.request.external_wait.duration",
    "http.server.request.body.size",
    "http.server.response.body.size",
    "http.client.active_requests",
    "http.client.request.body.size",
    "http.client.response.body.size",
    "hive.router.demand_control.cost.estimated",
    "hive.router.demand_control.cost.actual",
    "hive.router.demand_control.cost.delta",
    "hive.router.parse_cache.duration",
    "hive.router.validate_cache.requests_total",
    "hive.router.validate_cache.duration",
    "hive.router.normalize_cache.requests_total",
    "hive.router.normalize_cache.duration",
    "hive.router.plan_cache.duration",
];

/// What the router measures.
fn instruments() -> Value {
    let nameless = json!({ "attributes": { "graphql.operation.name": false } });
    let mut instruments = serde_json::Map::new();
    instruments.insert("http.server.request.duration".to_owned(), nameless);
    instruments.extend(UNREAD.map(|name| (name.to_owned(), json!(false))));
    Value::Object(instruments)
}

/// What operations may cost is decided for whole operations, by the directives in the schema.
fn demand_control(limits: &Limits) -> Value {
    json!({
        "enabled": true,
        "operation_cost": { "max": limits.cost, "mode": "enforce" },
        "subgraphs_budget": { "mode": "measure" },
        "default_list_size": { "all": limits.list_size },
    })
}

fn cors(config: &Config) -> Value {
    let origins = Origins::new(config);
    let mut policies = vec![json!({ "origins": origins.exact })];
    if origins.loopback {
        policies.push(json!({ "match_origin": [LOOPBACK_PATTERN] }));
    }
    json!({
        "enabled": true,
        "allow_any_origin": origins.any,
        "policies": policies,
        "methods": ["GET", "POST", "OPTIONS"],
        "expose_headers": ["retry-after", "x-request-id"],
        "max_age": 600,
    })
}

fn subgraph_urls(config: &Config, supergraph: &Supergraph) -> Result<Value, GatewayError> {
    let mut overrides = serde_json::Map::new();
    for (name, url) in &config.subgraph_urls {
        if !supergraph.subgraphs.contains(name) {
            let known: Vec<_> = supergraph.subgraphs.iter().map(String::as_str).collect();
            return Err(GatewayError::UnknownSubgraph { name: name.clone(), known: known.join(", ") });
        }
        overrides.insert(name.clone(), json!({ "url": url }));
    }
    Ok(Value::Object(overrides))
}

/// Only those of the supergraph: the default names `booking`, which other supergraphs lack.
fn websocket_paths(config: &Config, supergraph: &Supergraph) -> Value {
    let paths = config
        .websocket_paths
        .iter()
        .filter(|(name, _)| supergraph.subgraphs.contains(*name))
        .map(|(name, path)| (name.clone(), json!({ "path": path })));
    Value::Object(paths.collect())
}

fn milliseconds(milliseconds: u64) -> String {
    format!("{}ms", Duration::from_millis(milliseconds).as_millis())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write, path::Path};

    use hive_router::config::supergraph::SupergraphSource;
    use tempfile::NamedTempFile;
    use url::Url;

    use super::*;

    fn supergraph() -> Supergraph {
        Supergraph::load(Path::new("tests/fixture/supergraph.graphql")).unwrap()
    }

    fn settings(config: &Config) -> Result<Value, GatewayError> {
        let address = SocketAddr::from(([127, 0, 0, 1], 4000));
        let mut settings = Settings::new(config, &supergraph(), address)?.queries;
        // The router can read its own source of supergraphs, but not write it.
        settings.supergraph = SupergraphSource::Plugin;
        Ok(serde_json::to_value(settings).unwrap())
    }

    /// The file lives as long as what comes with it.
    fn with_file(kind: &str, text: &str) -> (Config, NamedTempFile) {
        let mut file = tempfile::Builder::new().suffix(kind).tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        (Config { router_config: Some(file.path().to_path_buf()), ..Config::default() }, file)
    }

    #[test]
    fn defaults_are_safe() {
        let settings = settings(&Config::default()).unwrap();
        let router = &settings["traffic_shaping"]["router"];
        assert_eq!(
            router["dedupe"]["headers"]["include"],
            json!(["authorization", "accept-language", "accept"])
        );
        assert_eq!(router["dedupe"]["enabled"], true);
        assert_eq!(settings["subscriptions"]["websocket"]["subgraphs"]["booking"]["path"], "/ws");
        for limit in ["max_depth", "max_aliases", "max_directives", "max_tokens"] {
            assert!(settings["limits"][limit]["n"].is_u64(), "{limit}");
        }
    }

    #[test]
    fn a_file_changes_what_it_names_but_not_the_promises() {
        let file = "limits: { max_depth: { n: 7 } }\n\
                    traffic_shaping: { router: { dedupe: { headers: none } } }";
        let settings = settings(&with_file(".yaml", file).0).unwrap();
        assert_eq!(settings["limits"]["max_depth"]["n"], 7);
        assert_eq!(settings["limits"]["max_aliases"]["n"], 30);
        let headers = &settings["traffic_shaping"]["router"]["dedupe"]["headers"];
        assert_eq!(headers["include"][0], "authorization");
    }

    #[test]
    fn what_would_mix_callers_up_is_refused() {
        let providers = json!([{ "source": "remote", "url": "http://a.example" }]);
        let rules = json!({ "booking": { "request": [{ "propagate": { "named": "x-tenant" } }] } });
        for (file, reason) in [
            (json!({ "jwt": { "enabled": true, "jwks_providers": providers } }), "subgraphs verify tokens"),
            (json!({ "headers": { "subgraphs": rules } }), "gateway.forward_headers"),
        ] {
            let error = settings(&with_file(".json", &file.to_string()).0).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_named_with_its_file() {
        let file = r#"{ "trafic_shaping": {} }"#;
        let error = settings(&with_file(".json", file).0).unwrap_err().to_string();
        assert!(error.contains("trafic_shaping") && error.contains(".json"), "{error}");
    }

    #[test]
    fn urls_are_only_for_subgraphs_that_exist() {
        let url = Url::parse("http://10.0.0.1:4001/graphql").unwrap();
        let with = |name: &str| Config {
            subgraph_urls: BTreeMap::from([(name.to_owned(), url.clone())]),
            ..Config::default()
        };
        let urls = &settings(&with("catalog")).unwrap()["override_subgraph_urls"]["subgraphs"];
        assert_eq!(urls["catalog"]["url"], url.as_str());
        let error = settings(&with("catalogue")).unwrap_err().to_string();
        assert!(error.contains("`catalogue`") && error.contains("booking, catalog"), "{error}");
    }
}
