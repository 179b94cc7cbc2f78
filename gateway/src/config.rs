//! The section `gateway` of the configuration.

mod caps;
mod limits;
mod tls;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use garde::Validate;
use serde::Deserialize;
use url::Url;

use crate::{
    admission::{Auth, Network, RateLimits},
    answers::PreparedAnswers,
    documents::{DocumentMode, PersistedDocuments},
    origin::is_loopback,
};
pub use caps::Caps;
pub use limits::Limits;
pub use tls::Tls;

/// The section `gateway` of the configuration.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where clients connect.
    #[garde(skip)]
    pub listen: SocketAddr,
    /// Where `/metrics` is answered, beside `/health` and `/ready`: an address that clients cannot reach. By
    /// default there is none, and `listen` answers it to this machine alone, but not to its proxies.
    #[garde(skip)]
    pub ops_listen: Option<SocketAddr>,
    /// How browsers reach the gateway; its origin is always allowed.
    #[garde(custom(web_url))]
    pub public_url: Url,
    /// The composed supergraph, relative to the working directory.
    #[garde(skip)]
    pub supergraph: PathBuf,
    /// Where subgraphs are, if not where the supergraph says: name to URL.
    #[garde(custom(web_urls))]
    pub subgraph_urls: BTreeMap<String, Url>,
    /// Whether subgraphs that are roles of the gateway's process are asked without HTTP, wherever they
    /// listen. Subscriptions always go to their addresses.
    #[garde(skip)]
    pub local_subgraphs: bool,
    /// Whether operations that are one fetch from such a subgraph go to it without the router, which has to
    /// plan them once. With `router_config` all go by the router.
    #[garde(skip)]
    pub shortcuts: bool,
    /// Subgraphs whose subscriptions go over a WebSocket: name to path. The others are asked for
    /// server-sent events or multipart at their URL.
    #[garde(custom(absolute_paths))]
    pub websocket_paths: BTreeMap<String, String>,
    /// Origins of web pages that may use the gateway, such as `https://marquee.example`. `*` is
    /// any.
    #[garde(custom(origins))]
    pub allowed_origins: Vec<String>,
    /// Whether pages served from this machine may use the gateway too.
    #[garde(skip)]
    pub allow_loopback_origins: bool,
    /// Proxies in front of the gateway (addresses or networks such as `10.0.0.0/8`): what they say in
    /// `X-Forwarded-For` is believed.
    #[garde(skip)]
    pub trusted_proxies: Vec<Network>,
    /// Access tokens and API keys.
    #[garde(dive)]
    pub auth: Auth,
    /// How much callers may ask for.
    #[garde(dive)]
    pub rate_limits: RateLimits,
    /// Request headers that subgraphs get besides `authorization` and the tracing headers. They
    /// may change answers, so only callers with equal values share an answer.
    #[garde(inner(pattern("^[A-Za-z0-9-]+$")))]
    pub forward_headers: Vec<String>,
    /// Subscription fields that are the same for everyone: such a subscription is executed without
    /// the caller's headers, once for all its viewers.
    #[garde(inner(pattern("^[_A-Za-z][_0-9A-Za-z]*$")))]
    pub shared_subscriptions: Vec<String>,
    /// Whether equal queries in flight and equal subscriptions are executed once.
    #[garde(skip)]
    pub deduplicate: bool,
    /// What may be open at once.
    #[garde(dive)]
    pub caps: Caps,
    /// What one operation may be.
    #[garde(dive)]
    pub limits: Limits,
    /// How long the body of a request may take to arrive, in milliseconds.
    #[garde(range(min = 1))]
    pub body_timeout_ms: u64,
    /// How long a query or mutation may take, in milliseconds.
    #[garde(range(min = 1))]
    pub request_timeout_ms: u64,
    /// How long one request to a subgraph may take, in milliseconds.
    #[garde(range(min = 1))]
    pub subgraph_timeout_ms: u64,
    /// How long `/ready` says 503 before anything is closed, in milliseconds: a little more than
    /// the period of the load balancer's check.
    #[garde(skip)]
    pub drain_delay_ms: u64,
    /// How long running operations may take to end after that, in milliseconds.
    #[garde(range(min = 1))]
    pub drain_timeout_ms: u64,
    /// Documents that are known by an id.
    #[garde(dive)]
    pub documents: PersistedDocuments,
    /// Answers that everybody may share.
    #[garde(dive)]
    pub answers: PreparedAnswers,
    /// Who may read the schema. By default everybody where `public_url` is of this machine, as while the
    /// platform is made, and holders of keys where it is not.
    #[garde(skip)]
    pub introspection: Option<Introspection>,
    /// Whether a browser that opens `/graphql` gets GraphiQL. It needs a schema: there is none where
    /// nobody may read that, or where documents have to be known.
    #[garde(skip)]
    pub explorer: bool,
    /// HTTPS without a proxy; by default there is none.
    #[garde(dive)]
    pub tls: Option<Tls>,
    /// Threads that serve clients; by default one for each core.
    #[garde(inner(range(min = 1)))]
    pub workers: Option<usize>,
    /// A file with settings of the Hive router (YAML, JSON or TOML), laid over the gateway's own.
    #[garde(skip)]
    pub router_config: Option<PathBuf>,
}

/// Who may read the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Introspection {
    /// Everybody.
    Development,
    /// Callers with an API key, and those of the house (any role but that of a customer).
    Keyed,
    /// Nobody.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            ops_listen: None,
            public_url: loopback(4000),
            supergraph: PathBuf::from("schema/supergraph.graphql"),
            subgraph_urls: BTreeMap::new(),
            local_subgraphs: true,
            shortcuts: true,
            websocket_paths: BTreeMap::from([("booking".to_owned(), "/ws".to_owned())]),
            allowed_origins: Vec::new(),
            allow_loopback_origins: true,
            trusted_proxies: Vec::new(),
            auth: Auth::default(),
            rate_limits: RateLimits::default(),
            forward_headers: vec!["accept-language".to_owned()],
            shared_subscriptions: vec!["seatMapChanged".to_owned()],
            deduplicate: true,
            caps: Caps::default(),
            limits: Limits::default(),
            body_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            subgraph_timeout_ms: 15_000,
            drain_delay_ms: 0,
            drain_timeout_ms: 10_000,
            documents: PersistedDocuments::default(),
            answers: PreparedAnswers::default(),
            introspection: None,
            explorer: true,
            tls: None,
            workers: None,
            router_config: None,
        }
    }
}

impl Config {
    /// [`Config::drain_timeout_ms`].
    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    /// Who may read the schema.
    pub(crate) fn introspection(&self) -> Introspection {
        let usual =
            if is_loopback(&self.public_url) { Introspection::Development } else { Introspection::Keyed };
        self.introspection.unwrap_or(usual)
    }

    /// Whether browsers get GraphiQL.
    pub(crate) fn has_explorer(&self) -> bool {
        self.explorer
            && self.introspection() != Introspection::Off
            && self.documents.mode != DocumentMode::Require
    }

    /// Whether clients reach the gateway by HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some() || self.public_url.scheme() == "https"
    }
}

/// `http://127.0.0.1:port`, without a parser that could fail.
fn loopback(port: u16) -> Url {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Url::parse(&format!("http://{address}"))
        .unwrap_or_else(|error| unreachable!("a socket address makes a URL: {error}"))
}

fn web_url(url: &Url, _: &()) -> garde::Result {
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        _ => Err(garde::Error::new(format!("`{url}` is not an http or https URL"))),
    }
}

fn web_urls(urls: &BTreeMap<String, Url>, context: &()) -> garde::Result {
    urls.values().try_for_each(|url| web_url(url, context))
}

fn absolute_paths(paths: &BTreeMap<String, String>, _: &()) -> garde::Result {
    match paths.values().find(|path| !path.starts_with('/')) {
        Some(path) => Err(garde::Error::new(format!("the path `{path}` does not begin with `/`"))),
        None => Ok(()),
    }
}

fn origins(origins: &[String], _: &()) -> garde::Result {
    let wrong = origins.iter().find(|origin| {
        let exact = Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == **origin);
        !(exact || *origin == "*")
    });
    match wrong {
        Some(origin) => Err(garde::Error::new(format!(
            "`{origin}` is not an origin; write it like `https://marquee.example`, with nothing after it"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: serde_json::Value) -> Result<(), String> {
        let config: Config = serde_json::from_value(toml).map_err(|error| error.to_string())?;
        config.validate().map_err(|report| report.to_string())
    }

    #[test]
    fn the_defaults_are_valid() {
        check(serde_json::json!({})).unwrap();
    }

    #[test]
    fn mistakes_are_named() {
        let mistakes = [
            (serde_json::json!({ "lisen": "127.0.0.1:1" }), "lisen"),
            (serde_json::json!({ "allowed_origins": ["https://a.example/"] }), "nothing after it"),
            (serde_json::json!({ "websocket_paths": { "booking": "ws" } }), "does not begin with `/`"),
            (serde_json::json!({ "subgraph_urls": { "user": "ftp://a" } }), "not an http or https URL"),
            (serde_json::json!({ "limits": { "depth": 0 } }), "limits.depth"),
            (serde_json::json!({ "forward_headers": ["x y"] }), "forward_headers"),
            (serde_json::json!({ "caps": { "sockets": 0 } }), "caps.sockets"),
            (serde_json::json!({ "caps": { "silence_ms": 15_000 } }), "two pings"),
            (serde_json::json!({ "introspection": "everybody" }), "development"),
            (serde_json::json!({ "documents": { "mode": "maybe" } }), "require"),
            (serde_json::json!({ "answers": { "max_bytes": 0 } }), "answers.max_bytes"),
        ];
        for (mistake, hint) in mistakes {
            let error = check(mistake).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn the_schema_is_for_everybody_at_home_only() {
        let check = |public_url: &str, introspection, expected| {
            let public_url = Url::parse(public_url).unwrap();
            let config = Config { public_url, introspection, ..Config::default() };
            assert_eq!(config.introspection(), expected, "{config:?}");
        };
        assert_eq!(Config::default().introspection(), Introspection::Development);
        check("http://localhost:4000/graphql", None, Introspection::Development);
        check("https://[::1]", None, Introspection::Development);
        check("https://api.marquee.example", None, Introspection::Keyed);
        check("http://10.0.0.1:4000", None, Introspection::Keyed);
        for said in [Introspection::Development, Introspection::Off] {
            check("https://api.marquee.example", Some(said), said);
        }
    }

    #[test]
    fn any_origin_can_be_allowed() {
        check(serde_json::json!({ "allowed_origins": ["*", "https://a.example", "http://b.example:8080"] }))
            .unwrap();
    }
}
