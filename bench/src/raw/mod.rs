//! The raw limits that are reached over HTTP and WebSocket: bare servers that do one thing each.

mod broadcast;
mod prepared;
mod states;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::{Router, routing::get};
use clap::Args;
use platform::Shutdown;
use tokio::net::TcpListener;

/// How the raw baselines are served.
#[derive(Debug, Clone, Args)]
pub struct RawOptions {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where to listen for sockets that are broadcast to.
    #[arg(long)]
    sockets: SocketAddr,
    /// The Redis of the stand.
    #[arg(long)]
    redis: String,
}

/// Serves until it is ended.
///
/// # Errors
/// When the address is taken.
pub async fn serve(options: &RawOptions) -> Result<()> {
    let (shutdown, sockets) = (Shutdown::new(), broadcast::Sockets::default());
    let routes = Router::new()
        .route("/health", get(async || "ok"))
        .merge(prepared::routes())
        .merge(states::routes(&options.redis, &shutdown)?)
        .merge(broadcast::routes(sockets.clone()));
    let listener = TcpListener::bind(options.listen).await.context("cannot listen")?;
    tokio::spawn(sockets.accept(TcpListener::bind(options.sockets).await.context("cannot listen")?));
    let ended = async {
        // A signal that cannot be waited for ends it at once, as the default would.
        let _ = shutdown.wait_for_signal().await;
    };
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served.context("cannot serve"),
        () = ended => Ok(()),
    }
}
