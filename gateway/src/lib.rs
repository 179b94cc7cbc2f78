//! The edge of Marquee: one federated GraphQL endpoint over HTTP, server-sent events and
//! WebSocket. It embeds the Hive router as a library, on a thread and runtime of its own, beside
//! the other roles of the process.
//!
//! | path | what |
//! |---|---|
//! | `POST /graphql`, `GET /graphql?query=` | queries and mutations; subscriptions by SSE or multipart (`Accept`) |
//! | `GET /graphql` with `Upgrade: websocket` | `graphql-transport-ws`: all three kinds of operation |
//! | `GET /graphql` in a browser | GraphiQL |
//! | `POST /oauth/token` | access tokens for API keys, from the user subgraph |
//! | `GET /health`, `/ready`, `/metrics` | for machines |
//!
//! Subgraphs that are roles of the same process are asked without HTTP ([`plugins::local`]); which way a
//! request went, nobody can tell from its answer.
//!
//! Architecture invariant: this is the only crate that names `hive_router` or `ntex`.
//!
//! Architecture invariant: the gateway needs a supergraph file and nothing else to serve what is
//! public. It has no database and holds no key. It verifies tokens so as to refuse early and to know
//! whom it limits; it passes them on, and every subgraph judges them again ([`admission`]).
//!
//! Architecture invariant: two callers share an answer only if every header that may change the
//! answer is equal. What all may share is therefore executed without those headers
//! ([`subscription`], [`answers`]).
//!
//! Architecture invariant: every operation goes through [`admission`] and [`router`], whatever transport it came by,
//! so that limits, plugins, deduplication and errors cannot differ between transports. Only what was
//! admitted is looked for in [`answers`], or takes a [`shortcut`].

// The router builds its services as one deep type.
#![recursion_limit = "256"]

mod admission;
mod answers;
mod app;
mod audience;
mod config;
mod connections;
mod documents;
mod edge;
mod error;
mod explorer;
mod guard;
mod open_files;
mod operations;
mod ops;
mod origin;
mod places;
mod plugins;
mod refusal;
mod request;
mod router;
mod server;
mod settings;
mod shield;
mod shortcut;
mod socket;
mod stream;
mod subscription;
mod supergraph;
mod tls;
mod trace;

use platform::{Shutdown, Telemetry};
use tokio::{net::TcpListener, sync::oneshot};

pub use admission::{Auth, Network, NotANetwork, Outside, RateLimits, Store};
pub use answers::PreparedAnswers;
pub use config::{Caps, Config, Introspection, Limits, Tls};
pub use documents::{DocumentMode, PersistedDocuments, manifest};
pub use error::GatewayError;

/// Opens the address that the gateway listens on.
///
/// # Errors
/// [`GatewayError::AddressInUse`] and [`GatewayError::Listen`].
pub async fn bind(config: &Config) -> Result<TcpListener, GatewayError> {
    TcpListener::bind(config.listen).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => GatewayError::AddressInUse { address: config.listen },
        _ => GatewayError::Listen { address: config.listen, source },
    })
}

/// Serves until `shutdown` begins, then drains: `/ready` answers 503 at once, sockets finish the
/// queries and mutations they are running and are closed with code 1001, requests in flight are
/// answered, and the listener closes.
///
/// # Errors
/// The supergraph or the settings are not usable, or the server could not be started.
pub async fn run(
    config: Config,
    outside: Outside,
    telemetry: Telemetry,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), GatewayError> {
    let supergraph = supergraph::Supergraph::load(&config.supergraph)?;
    let address = listener.local_addr().map_err(GatewayError::Server)?;
    let settings = settings::Settings::new(&config, &supergraph, address)?;
    let listener = listener.into_std().map_err(GatewayError::Server)?;

    // The runtime of ntex is bound to its threads, so the role gets one of its own. It ends with
    // the server, and the server with `shutdown`.
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("gateway".to_owned())
        .spawn(move || {
            let _ = ended
                .send(server::serve(config, outside, telemetry, supergraph, settings, listener, shutdown));
        })
        .map_err(GatewayError::Server)?;
    end.await.unwrap_or(Err(GatewayError::Panicked))
}
