//! Services and waiting.

use std::time::Duration;

use kernel::{IdSource, SystemIds, UserId};
use platform::{Redis, Shutdown, redis::RedisConfig};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Nothing that works takes this long.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The address of a service that `cargo xtask test` has started.
pub fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `cargo xtask test`, which starts the services")
    })
}

pub fn uuid() -> Uuid {
    SystemIds.uuid()
}

pub fn person() -> UserId {
    UserId::from_uuid(uuid())
}

/// Keys of the test's own.
pub fn redis_config() -> RedisConfig {
    RedisConfig {
        url: service("MARQUEE_TEST_REDIS_URL").into(),
        prefix: format!("seats:{}:", uuid().simple()),
        pool_size: 2,
        command_timeout_ms: 10_000,
    }
}

/// A connection that is up, with keys of the test's own.
pub async fn redis(shutdown: &Shutdown) -> Redis {
    let redis = Redis::connect(&redis_config(), shutdown).unwrap();
    connected(&redis).await;
    redis
}

/// Waits for the connections.
pub async fn connected(redis: &Redis) {
    eventually("Redis of the tests", async || {
        (redis.ping().await.is_ok() && redis.subscriber().is_connected()).then_some(())
    })
    .await;
}

/// What `future` yields; it must not take forever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Waits until `probe` finds something.
pub async fn eventually<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
