//! The configuration of the platform: as it ships, but for addresses, keys, and limits that would
//! measure the limit.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Servers;

/// Before keys, channels, queues and exchanges.
pub const PREFIX: &str = "bench";
/// The exchange of all events.
pub const EXCHANGE: &str = "bench.marquee.events";
/// Signs webhooks between the sandbox and the platform.
pub const WEBHOOK_SECRET: &str = "whsec_bench";
/// The platform's key at the sandbox.
pub const PROVIDER_KEY: &str = "sk_test_bench";
/// 32 bytes of each: keys of nobody else.
pub const TOKEN_SEED: &[u8; 32] = b"token-key-of-the-benchmarks-0000";
const TICKET_SEED: &[u8; 32] = b"ticket-key-of-the-benchmarks-000";

/// Where everything listens.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub gateway: u16,
    pub catalog: u16,
    pub booking: u16,
    pub user: u16,
    pub worker: u16,
    pub sandbox: u16,
    pub raw: u16,
    pub raw_sockets: u16,
}

impl Ports {
    /// Free ones.
    pub fn choose(servers: &Servers) -> Result<Self> {
        let port = |name| servers.home().port(name, None);
        Ok(Self {
            gateway: port("gateway")?,
            catalog: port("catalog")?,
            booking: port("booking")?,
            user: port("user")?,
            worker: port("worker")?,
            sandbox: port("sandbox")?,
            raw: port("raw")?,
            raw_sockets: port("raw-sockets")?,
        })
    }

    /// That of a role.
    pub fn of(&self, role: &str) -> u16 {
        match role {
            "gateway" => self.gateway,
            "catalog" => self.catalog,
            "booking" => self.booking,
            "user" => self.user,
            _ => self.worker,
        }
    }
}

/// Writes the configuration that all processes share.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &Path, servers: &Servers, database: &str, ports: &Ports, root: &Path) -> Result<()> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let listen = |port: u16| Value::from(format!("127.0.0.1:{port}"));
    let jwks = format!("{}/.well-known/jwks.json", url(ports.user));
    let mail = servers.dir().join("mail");
    let settings: Vec<(&str, Value)> = vec![
        ("pg.url", database.into()),
        ("redis.url", servers.redis_url().into()),
        ("redis.prefix", format!("{PREFIX}:").into()),
        ("rabbit.url", servers.rabbit_url().into()),
        ("rabbit.prefix", format!("{PREFIX}.").into()),
        ("gateway.listen", listen(ports.gateway)),
        ("gateway.supergraph", root.join("schema/supergraph.graphql").display().to_string().into()),
        ("gateway.subgraph_urls.catalog", format!("{}/graphql", url(ports.catalog)).into()),
        ("gateway.subgraph_urls.booking", format!("{}/graphql", url(ports.booking)).into()),
        ("gateway.subgraph_urls.user", format!("{}/graphql", url(ports.user)).into()),
        ("gateway.auth.jwks_url", jwks.as_str().into()),
        ("gateway.auth.token_url", format!("{}/oauth/token", url(ports.user)).into()),
        // All load comes from one address, which is a crowd here.
        ("gateway.rate_limits.enabled", false.into()),
        ("catalog.listen", listen(ports.catalog)),
        ("catalog.auth.jwks_url", jwks.as_str().into()),
        ("booking.listen", listen(ports.booking)),
        ("booking.auth.jwks_url", jwks.as_str().into()),
        ("booking.ticket_signing_key", STANDARD.encode(TICKET_SEED).into()),
        ("booking.payments.api_base", url(ports.sandbox).into()),
        ("booking.payments.secret_key", PROVIDER_KEY.into()),
        ("booking.payments.webhook_secrets", vec![WEBHOOK_SECRET].into()),
        ("user.listen", listen(ports.user)),
        ("user.signing_key", STANDARD.encode(TOKEN_SEED).into()),
        // Signing up is not what is measured.
        ("user.password.memory_kib", 8.into()),
        ("user.password.iterations", 1.into()),
        ("notifications.mail_dir", mail.display().to_string().into()),
        ("worker.listen", listen(ports.worker)),
    ];
    let mut config = Table::new();
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
