//! The configuration of the platform under test: everything that takes minutes in real life takes
//! seconds here.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::{Context, Result};
use toml::{Table, Value};

/// Signs webhooks between the sandbox and the platform.
pub const WEBHOOK_SECRET: &str = "whsec_faults";
/// Authorises the platform at the sandbox.
pub const PROVIDER_KEY: &str = "sk_test_faults";
/// 32 bytes of each, base64: keys of nobody else.
const TOKEN_KEY: &str = "dG9rZW4ta2V5LW9mLWZhdWx0cy1mYXVsdHMtMDAwMDA=";
const TICKET_KEY: &str = "dGlja2V0LWtleS1vZi1mYXVsdHMtZmF1bHRzLTAwMDA=";
/// Waits before each further attempt at a message, in milliseconds. After the last one it is a dead
/// letter, so together they outlast any fault of the nemesis.
pub const RETRY_DELAYS_MS: [u32; 5] = [100, 300, 1_000, 2_000, 4_000];
/// How long a booking claims its seats unpaid, in seconds.
pub const CLAIM_TTL_SECONDS: u32 = 4;
/// How often a watcher hears of a quiet show, in milliseconds.
pub const HEARTBEAT_MS: u32 = 500;

/// Where one process finds the others: ports on loopback.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where its own roles listen.
    pub listen: BTreeMap<&'static str, u16>,
    /// PostgreSQL, or what leads there.
    pub postgres: u16,
    /// Redis, or what leads there.
    pub redis: u16,
    /// RabbitMQ, or what leads there.
    pub rabbit: u16,
    /// The sandbox, or what leads there.
    pub provider: u16,
    /// Catalog, or what leads there.
    pub catalog: u16,
    /// Booking, or what leads there.
    pub booking: u16,
    /// User, or what leads there.
    pub user: u16,
}

/// What is one round's own.
#[derive(Debug, Clone)]
pub struct Names {
    /// The database.
    pub database: String,
    /// Before keys, channels, queues and exchanges.
    pub prefix: String,
    /// How long a claim goes on at most whose payment may have been made.
    pub claim_limit_seconds: u32,
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Writes the configuration of one process.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &Path, names: &Names, places: &Places, mail: &Path, root: &Path) -> Result<()> {
    let mut config = Table::new();
    let jwks = format!("{}/.well-known/jwks.json", address(places.user));
    let mut settings: Vec<(&str, Value)> = vec![
        ("pg.url", format!("postgres://postgres@127.0.0.1:{}/{}", places.postgres, names.database).into()),
        ("pg.max_connections", 12.into()),
        ("pg.acquire_timeout_ms", 1_000.into()),
        ("pg.statement_timeout_ms", 5_000.into()),
        ("redis.url", format!("redis://127.0.0.1:{}", places.redis).into()),
        ("redis.prefix", format!("{}:", names.prefix).into()),
        ("redis.pool_size", 2.into()),
        ("redis.command_timeout_ms", 500.into()),
        ("rabbit.url", format!("amqp://guest:guest@127.0.0.1:{}/%2f", places.rabbit).into()),
        ("rabbit.prefix", format!("{}.", names.prefix).into()),
        ("rabbit.retry_delays_ms", RETRY_DELAYS_MS.to_vec().into()),
        ("gateway.supergraph", root.join("schema/supergraph.graphql").display().to_string().into()),
        ("gateway.subgraph_urls.catalog", format!("{}/graphql", address(places.catalog)).into()),
        ("gateway.subgraph_urls.booking", format!("{}/graphql", address(places.booking)).into()),
        ("gateway.subgraph_urls.user", format!("{}/graphql", address(places.user)).into()),
        ("gateway.auth.jwks_url", jwks.as_str().into()),
        ("gateway.auth.token_url", format!("{}/oauth/token", address(places.user)).into()),
        // Everybody comes from one address, as fast as they can.
        ("gateway.rate_limits.enabled", false.into()),
        ("gateway.request_timeout_ms", 8_000.into()),
        ("gateway.subgraph_timeout_ms", 6_000.into()),
        ("catalog.auth.jwks_url", jwks.as_str().into()),
        ("booking.auth.jwks_url", jwks.as_str().into()),
        ("booking.ticket_signing_key", TICKET_KEY.into()),
        ("booking.holds.ttl_seconds", 4.into()),
        ("booking.holds.longest_seconds", 8.into()),
        ("booking.claim_ttl_seconds", CLAIM_TTL_SECONDS.into()),
        ("booking.claim_extension_seconds", 2.into()),
        ("booking.claim_limit_seconds", names.claim_limit_seconds.into()),
        ("booking.seat_map.heartbeat_ms", HEARTBEAT_MS.into()),
        ("booking.seat_map.sweep_every_ms", 500.into()),
        ("booking.payments.api_base", address(places.provider).into()),
        ("booking.payments.secret_key", PROVIDER_KEY.into()),
        ("booking.payments.webhook_secrets", vec![WEBHOOK_SECRET].into()),
        ("booking.payments.timeout_ms", 2_000.into()),
        ("booking.payments.breaker_open_ms", 1_000.into()),
        ("booking.payments.refund_chase_seconds", 2.into()),
        ("booking.reconcile.every_seconds", 2.into()),
        ("booking.reconcile.grace_seconds", 2.into()),
        ("booking.reconcile.whole_every_seconds", 5.into()),
        ("user.signing_key", TOKEN_KEY.into()),
        ("user.password.memory_kib", 8.into()),
        ("user.password.iterations", 1.into()),
        ("notifications.mail_dir", mail.display().to_string().into()),
        ("notifications.retry.first_delay_ms", 200.into()),
        ("notifications.retry.max_delay_ms", 1_000.into()),
        ("notifications.poll_ms", 250.into()),
    ];
    let listens: Vec<(String, Value)> = places
        .listen
        .iter()
        .map(|(role, port)| {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string();
            (format!("{role}.listen"), listen.into())
        })
        .collect();
    settings.extend(listens.iter().map(|(path, value)| (path.as_str(), value.clone())));
    for (path, value) in settings {
        set(&mut config, path, value)?;
    }
    std::fs::write(file, toml::to_string(&config)?)
        .with_context(|| format!("cannot write {}", file.display()))
}

fn set(config: &mut Table, path: &str, value: Value) -> Result<()> {
    let (sections, key) = path.rsplit_once('.').context("every setting is in a section")?;
    let table = sections.split('.').try_fold(config, |table, section| {
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        entry.as_table_mut().with_context(|| format!("{section} in {path} is no section"))
    })?;
    table.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_land_in_their_sections() {
        let mut config = Table::new();
        set(&mut config, "a.b.c", 1.into()).unwrap();
        set(&mut config, "a.b.d", "x".into()).unwrap();
        assert_eq!(config["a"]["b"]["c"].as_integer(), Some(1));
        assert_eq!(config["a"]["b"]["d"].as_str(), Some("x"));
        assert!(set(&mut config, "a.b.c.e", 2.into()).is_err());
    }
}
