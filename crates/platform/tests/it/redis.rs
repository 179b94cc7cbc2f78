//! Commands that fail fast, scripts that are never forgotten, subscriptions that tell what they
//! missed.

use std::time::{Duration, Instant};

use fred::{
    bytes::Bytes,
    interfaces::*,
    types::{CustomCommand, Value},
};
use own_redis::OwnRedis;
use platform::{
    PubSubEvent, Redis, Script, Shutdown,
    redis::{PubSubStream, RedisConfig},
};

use crate::support::{Proxy, redis_config, redis_url, until, within};

pub async fn connected(config: &RedisConfig, shutdown: &Shutdown) -> Redis {
    let redis = Redis::connect(config, shutdown).unwrap();
    until("Redis of the tests", || async { redis.ping().await.is_ok() && redis.subscriber().is_connected() })
        .await;
    redis
}

async fn behind_proxy(shutdown: &Shutdown) -> (Redis, Proxy) {
    let proxy = Proxy::to(&redis_url()).await;
    let config = RedisConfig { url: proxy.url(&redis_url()).into(), ..redis_config() };
    (connected(&config, shutdown).await, proxy)
}

/// The next message, as channel and text; `None` for a resync.
pub async fn next(stream: &mut PubSubStream) -> Option<(String, String)> {
    match within("a message", stream.next()).await.expect("not the end") {
        PubSubEvent::Message(message) => {
            Some((message.channel().to_owned(), String::from_utf8(message.payload.to_vec()).unwrap()))
        }
        PubSubEvent::Resync => None,
    }
}

#[tokio::test]
async fn a_script_runs_also_after_the_server_forgot_it() {
    let shutdown = Shutdown::new();
    let redis = connected(&redis_config(), &shutdown).await;
    let script = Script::new("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])");
    for round in 0..3 {
        let answer = redis.eval(&script, vec![redis.key("{k}")], vec![Value::from(round)]).await.unwrap();
        assert_eq!(answer.as_i64(), Some(round));
        let () = redis.pool().script_flush(false).await.unwrap();
    }
    assert_eq!(redis.delete(vec![redis.key("{k}")]).await.unwrap(), 1);
}

#[tokio::test]
async fn an_error_of_a_script_is_no_outage() {
    let shutdown = Shutdown::new();
    let redis = connected(&redis_config(), &shutdown).await;
    let script = Script::new("return redis.error_reply('NO not like this')");
    let error = redis.eval(&script, vec![redis.key("k")], vec![]).await.unwrap_err();
    assert!(!error.is_unavailable(), "{error}");
}

#[tokio::test]
async fn starts_without_a_server_and_finds_it_later() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&redis_url()).await;
    proxy.cut();
    let config = RedisConfig { url: proxy.url(&redis_url()).into(), ..redis_config() };
    let redis = Redis::connect(&config, &shutdown).unwrap();
    assert!(redis.ping().await.unwrap_err().is_unavailable());
    proxy.heal();
    until("the server to be found", || async { redis.ping().await.is_ok() }).await;
}

#[tokio::test]
async fn commands_fail_at_once_while_the_server_is_away() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    proxy.cut();
    until("the loss to be noticed", || async { redis.ping().await.is_err() }).await;
    let start = Instant::now();
    for _ in 0..100 {
        let error = redis.ping().await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    proxy.heal();
    until("the server to be back", || async { redis.ping().await.is_ok() }).await;
}

#[tokio::test]
async fn commands_time_out_while_the_server_hangs() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    proxy.freeze();
    let start = Instant::now();
    let error = redis.ping().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    proxy.heal();
    until("the server to answer again", || async { redis.ping().await.is_ok() }).await;
}

#[tokio::test]
async fn subscribers_get_what_is_published_to_their_channels() {
    let shutdown = Shutdown::new();
    let redis = connected(&redis_config(), &shutdown).await;
    let pubsub = redis.subscriber();
    let (mut first, mut second) = (pubsub.stream(), pubsub.stream());
    pubsub.subscribe("show:1").await.unwrap();
    pubsub.subscribe("show:2").await.unwrap();
    pubsub.unsubscribe("show:1").await;
    assert_eq!(redis.publish("show:1", Bytes::from_static(b"a")).await.unwrap(), 0);
    assert_eq!(redis.publish("show:2", Bytes::from_static(b"b")).await.unwrap(), 1);
    let expected = Some(("show:2".to_owned(), "b".to_owned()));
    assert_eq!(next(&mut first).await, expected);
    assert_eq!(next(&mut second).await, expected);
}

#[tokio::test]
async fn a_server_that_was_started_anew_is_another_one() {
    let shutdown = Shutdown::new();
    let mut server = OwnRedis::start().await.unwrap();
    let config = RedisConfig { url: server.url().into(), ..redis_config() };
    let redis = connected(&config, &shutdown).await;
    let pubsub = redis.subscriber();
    pubsub.subscribe("show:1").await.unwrap();
    until("its name", || async { pubsub.servers().is_some() }).await;
    let (first, mut stream) = (pubsub.servers(), pubsub.stream());

    // The connection breaks, the server goes on.
    let client = CustomCommand::new_static("CLIENT", None, false);
    let _: i64 = redis.pool().custom(client, vec!["KILL", "TYPE", "pubsub"]).await.unwrap();
    assert_eq!(next(&mut stream).await, None, "a resync");
    assert_eq!(pubsub.servers(), first);

    server.restart().await.unwrap();
    assert_eq!(next(&mut stream).await, None, "a resync");
    let second = pubsub.servers().expect("known before the resync");
    let run = first.unwrap().of("any key").cloned().unwrap();
    assert!(!second.has(&run) && second.of("any key").is_some_and(|second| *second != run));
}

#[tokio::test]
async fn a_lost_connection_ends_in_a_resync_and_then_messages_flow_again() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    let publisher = connected(&RedisConfig { prefix: redis.key(""), ..redis_config() }, &shutdown).await;
    let pubsub = redis.subscriber();
    pubsub.subscribe("show:1").await.unwrap();
    let mut stream = pubsub.stream();
    proxy.cut();
    until("the loss to be noticed", || async { !pubsub.is_connected() }).await;
    assert!(pubsub.subscribe("show:2").await.unwrap_err().is_unavailable());
    publisher.publish("show:1", Bytes::from_static(b"missed")).await.unwrap();
    proxy.heal();
    assert_eq!(next(&mut stream).await, None, "a resync");
    // From the resync on nothing is missed: no waiting here.
    let receivers = publisher.publish("show:1", Bytes::from_static(b"seen")).await.unwrap();
    assert_eq!(receivers, 1);
    assert_eq!(next(&mut stream).await, Some(("show:1".to_owned(), "seen".to_owned())));
    assert_eq!(publisher.publish("show:2", Bytes::from_static(b"x")).await.unwrap(), 0);
}

/// How long it takes until the breaker says so.
pub async fn turns(redis: &Redis, away: bool) -> Duration {
    let start = Instant::now();
    let mut verdict = redis.away();
    within("the verdict", verdict.wait_for(|verdict| *verdict == away)).await.unwrap();
    start.elapsed()
}

#[tokio::test]
async fn the_breaker_knows_within_a_second_whether_redis_serves() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    let script = Script::new("return 1");
    assert!(!redis.is_away());
    for (outage, fault) in [Proxy::cut, Proxy::freeze].into_iter().enumerate() {
        fault(&proxy);
        let opened = turns(&redis, true).await;
        assert!(opened < Duration::from_secs(1), "opened after {opened:?}");
        assert_eq!(redis.outages(), outage as u64 + 1);
        // Nobody waits, and nothing is in doubt.
        let start = Instant::now();
        for _ in 0..100 {
            assert!(redis.eval(&script, vec![redis.key("k")], vec![]).await.unwrap_err().is_unavailable());
            assert!(redis.publish("show:1", Bytes::new()).await.unwrap_err().is_unavailable());
        }
        assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
        proxy.heal();
        let closed = turns(&redis, false).await;
        assert!(closed < Duration::from_secs(3), "closed after {closed:?}");
        redis.eval(&script, vec![redis.key("k")], vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn clones_share_the_breaker() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    let clone = redis.clone();
    proxy.cut();
    turns(&redis, true).await;
    assert!(clone.is_away());
}

#[tokio::test]
async fn an_outage_is_on_record() {
    let shutdown = Shutdown::new();
    let (redis, proxy) = behind_proxy(&shutdown).await;
    assert_eq!(redis.last_outage(), None);
    proxy.cut();
    turns(&redis, true).await;
    let outage = redis.last_outage().unwrap();
    assert_eq!((outage.number, outage.closed), (redis.outages(), None));
    assert!(outage.since < outage.opened, "{outage:?}");
    proxy.heal();
    turns(&redis, false).await;
    let closed = redis.last_outage().unwrap().closed.unwrap();
    assert_eq!(redis.last_outage(), Some(platform::redis::Outage { closed: Some(closed), ..outage }));
    assert!(closed > outage.opened);
}

#[tokio::test]
async fn a_backlog_is_no_outage() {
    let shutdown = Shutdown::new();
    let config = RedisConfig { pool_size: 1, command_timeout_ms: 5_000, ..redis_config() };
    let redis = connected(&config, &shutdown).await;
    // Whatever is sent after this waits until the server has given up.
    let command = CustomCommand::new_static("BLPOP", None, false);
    let blocking = redis.pool().custom::<Value, _>(command, vec![redis.key("none"), "2".to_owned()]);
    let start = Instant::now();
    let (nothing, answer) = within("the backlog", async { tokio::join!(blocking, redis.ping()) }).await;
    assert!(nothing.unwrap().is_null());
    answer.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2), "nothing waited: {:?}", start.elapsed());
    assert_eq!((redis.is_away(), redis.outages()), (false, 0));
}
