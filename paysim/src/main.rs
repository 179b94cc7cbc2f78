//! The `paysim` binary: the payment sandbox on an address of its own.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use paysim::{Paysim, PaysimConfig, WebhookTarget};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A payment provider for development that speaks Stripe's wire format.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Address to listen on.
    #[arg(long, env = "PAYSIM_LISTEN", default_value = "127.0.0.1:4010")]
    listen: SocketAddr,
    /// Address that links handed out start with; by default the one listened on.
    #[arg(long, env = "PAYSIM_PUBLIC_URL")]
    public_url: Option<String>,
    /// Secret key that the shop's server must present; by default any `sk_test_…`.
    #[arg(long, env = "PAYSIM_SECRET_KEY", hide_env_values = true)]
    secret_key: Option<String>,
    /// Publishable key that browsers may present; by default any `pk_test_…`.
    #[arg(long, env = "PAYSIM_PUBLISHABLE_KEY")]
    publishable_key: Option<String>,
    /// Where events are posted to.
    #[arg(long, env = "PAYSIM_WEBHOOK_URL", requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// Signing secret of the webhook; several with commas, while one is being rotated.
    #[arg(long, env = "PAYSIM_WEBHOOK_SECRET", value_delimiter = ',', hide_env_values = true)]
    webhook_secret: Vec<String>,
    /// File that keeps the state over a restart.
    #[arg(long, env = "PAYSIM_JOURNAL")]
    journal: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let flags = Flags::parse();
    let webhooks = flags.webhook_url.map(|url| WebhookTarget {
        url,
        secrets: flags.webhook_secret,
        events: vec!["*".to_owned()],
    });
    let config = PaysimConfig {
        listen: flags.listen,
        public_url: flags.public_url,
        secret_key: flags.secret_key,
        publishable_key: flags.publishable_key,
        webhooks: webhooks.into_iter().collect(),
        journal: flags.journal,
        ..PaysimConfig::default()
    };
    let listen = config.listen;
    let mut sandbox = Paysim::start(config)
        .await
        .map_err(|error| anyhow::anyhow!("the sandbox cannot start on {listen}: {error}"))?;
    tracing::info!(address = %sandbox.address(), "payment sandbox listening");

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = sandbox.serve() => result?,
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    sandbox.stop().await;
    Ok(())
}
