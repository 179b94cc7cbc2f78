//! Why the gateway could not start or go on. Each message says what to do.

use std::{net::SocketAddr, path::PathBuf};

/// Why the gateway could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is no file at the configured path.
    #[error(
        "there is no supergraph at {path}. Compose it with `cargo xtask schema`, or set \
         gateway.supergraph (MARQUEE_GATEWAY__SUPERGRAPH) to the path of a composed supergraph"
    )]
    SupergraphMissing {
        /// The path, made absolute.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("the supergraph at {path} cannot be read: {source}. Check its permissions")]
    SupergraphUnreadable {
        /// The path, made absolute.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not a supergraph.
    #[error(
        "{path} is not a supergraph: {reason}. Compose it again with `cargo xtask schema`; a \
         subgraph's own schema will not do"
    )]
    SupergraphInvalid {
        /// The path, made absolute.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A URL was configured for a subgraph that the supergraph does not have.
    #[error(
        "gateway.subgraph_urls names the subgraph `{name}`, but the supergraph has only: {known}. \
         Correct the name or compose the supergraph again"
    )]
    UnknownSubgraph {
        /// The name in the configuration.
        name: String,
        /// The names in the supergraph.
        known: String,
    },
    /// The router does not accept its settings.
    #[error("the router does not accept its settings: {reason}. {advice}")]
    Settings {
        /// What the router said.
        reason: String,
        /// Where to look.
        advice: String,
    },
    /// The manifest of persisted documents, or a file that it is made from, cannot be used.
    #[error(
        "{path} cannot be used for persisted documents: {reason}. Make a manifest with `marquee documents`, and \
         name it in gateway.documents.manifest (MARQUEE_GATEWAY__DOCUMENTS__MANIFEST)"
    )]
    Manifest {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else listens on the address.
    #[error(
        "cannot listen on {address}: something else already does. Stop it, or set gateway.listen \
         (MARQUEE_GATEWAY__LISTEN) to a free address"
    )]
    AddressInUse {
        /// The configured address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Set gateway.listen (MARQUEE_GATEWAY__LISTEN) to an \
         address of this machine"
    )]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}. Set gateway.ops_listen (MARQUEE_GATEWAY__OPS_LISTEN) to a free \
         address of this machine"
    )]
    ListenOps {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error(
        "{path} cannot be used for HTTPS: {reason}. Check gateway.tls.certificate and gateway.tls.key; both are in PEM"
    )]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No HTTP client can be made.
    #[error(
        "cannot make an HTTP client: {0}. Install the certificates that this machine trusts \
         (`ca-certificates`)"
    )]
    HttpClient(#[source] reqwest::Error),
    /// The HTTP server failed.
    #[error("the gateway's HTTP server failed: {0}")]
    Server(#[source] std::io::Error),
    /// The router did not become ready in time.
    #[error("the router could not load {path}; the log lines of target `router::supergraph` say why")]
    NotLoaded {
        /// The path, made absolute.
        path: PathBuf,
    },
    /// The gateway's thread panicked; the panic is in the log.
    #[error("the gateway's thread panicked")]
    Panicked,
}
