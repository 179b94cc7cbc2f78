//! The platform's Redis, reached as the platform reaches it.

use anyhow::Result;
use platform::{Redis, Shutdown, redis::RedisConfig};

use super::{Servers, config::PREFIX};

/// What filling a Redis may take, in milliseconds.
const TIMEOUT_MS: u64 = 20_000;

/// Connects in the background.
///
/// # Errors
/// Never with our own address.
pub fn connect(servers: &Servers, shutdown: &Shutdown) -> Result<Redis> {
    let config = RedisConfig {
        url: servers.redis_url().into(),
        prefix: format!("{PREFIX}:"),
        pool_size: 2,
        command_timeout_ms: TIMEOUT_MS,
    };
    Ok(Redis::connect(&config, shutdown)?)
}
