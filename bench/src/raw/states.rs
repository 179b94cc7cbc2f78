//! The states of a show's seats, straight from Redis.

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use fred::interfaces::KeysInterface;
use platform::{Redis, Shutdown, redis::RedisConfig};

use crate::stand::PREFIX;

/// Beyond the last seat of any show; Redis ends where the value does.
const END: usize = 65_535;

/// `GET /states/SHOW`
pub fn routes(url: &str, shutdown: &Shutdown) -> Result<Router> {
    let config = RedisConfig { url: url.into(), prefix: format!("{PREFIX}:"), ..RedisConfig::default() };
    let redis = Redis::connect(&config, shutdown)?;
    Ok(Router::new().route("/states/{show}", get(read)).with_state(redis))
}

async fn read(State(redis): State<Redis>, Path(show): Path<String>) -> Result<Bytes, StatusCode> {
    let key = redis.key(&format!("{{show:{show}}}:states"));
    let states: Bytes = redis.pool().getrange(key, 0, END).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    if states.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(states) }
}
