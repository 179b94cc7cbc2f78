use std::sync::Arc;

use kernel::{
    ApiKeyId, Clock, SystemClock, UserId,
    source::{IdSource, SystemIds},
};
use own_redis::OwnCluster;
use platform::{Shutdown, redis::RedisConfig};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{bucket::Bucket, *};

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

pub(super) fn redis(shutdown: &Shutdown) -> Redis {
    let url = std::env::var("MARQUEE_TEST_REDIS_URL")
        .expect("MARQUEE_TEST_REDIS_URL is not set: run `cargo xtask test`, which starts the services");
    let prefix = format!("gateway-{}:", SystemIds.uuid().simple());
    let config = RedisConfig { url: url.into(), prefix, ..RedisConfig::default() };
    Redis::connect(&config, shutdown).unwrap()
}

/// Returns as soon as Redis answers.
pub(super) async fn connected(redis: &Redis) {
    let wait = async {
        while redis.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.expect("Redis of the tests");
}

fn limiter(limits: RateLimits, redis: Option<Redis>) -> RateLimiter {
    RateLimiter::new(limits, redis, SystemIds.uuid().simple().to_string())
}

fn counts(class: Class, number: u32) -> Counts {
    let mut counts = Counts::default();
    (0..number).for_each(|_| counts.add(class));
    counts
}

fn user() -> Subject {
    Subject::User(UserId::from_uuid(SystemIds.uuid()))
}

/// The script decides as the rule does, whatever is asked when.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_has_the_rule_of_the_bucket() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    connected(&redis).await;
    // With a time that the test decides.
    let script = Script::new(&format!("local now = tonumber(table.remove(ARGV))\n{TAKE}"));
    let runtime = tokio::runtime::Handle::current();
    let steps = prop::collection::vec((0_u64..40_000_000, 1_u64..5, 0_u64..4), 1..40);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let check = tokio::task::spawn_blocking(move || {
        runner.run(&((1_u32..40), (1_u32..40), steps), |(first, second, steps)| {
            let owner = SystemIds.uuid();
            let keys = ["a", "b"].map(|bucket| redis.key(&format!("{{{owner}}}:{bucket}")));
            let buckets = [first, second].map(Bucket::per_minute);
            let (mut now, mut full_at) = (1_790_000_000_000_000_u64, [0, 0]);
            for (pause, a, b) in steps {
                now += pause;
                let taken = [buckets[0].take(full_at[0], now, a), buckets[1].take(full_at[1], now, b)];
                let waits = taken.map(|taken| taken.err().unwrap_or_default());
                let expected = if waits == [0, 0] {
                    full_at = taken.map(Result::unwrap);
                    (0, 0)
                } else if waits[1] > waits[0] {
                    (2, waits[1])
                } else {
                    (1, waits[0])
                };
                let numbers = [
                    2,
                    buckets[0].interval,
                    buckets[0].burst,
                    a,
                    buckets[1].interval,
                    buckets[1].burst,
                    b,
                    now,
                ];
                let args = numbers.iter().map(|number| Value::from(number.to_string())).collect();
                let answer = runtime.block_on(redis.eval(&script, keys.to_vec(), args)).unwrap();
                prop_assert_eq!(answer.convert::<(i64, u64)>().unwrap(), expected);
            }
            Ok(())
        })
    });
    check.await.unwrap().unwrap();
    shutdown.finish(Duration::ZERO).await;
}

#[tokio::test]
async fn gateways_share_the_limits_of_a_caller() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    connected(&redis).await;
    let gateways =
        [0, 1].map(|_| limiter(RateLimits { hold: 4, ..RateLimits::default() }, Some(redis.clone())));
    let (user, now) = (user(), SystemClock.now());
    for gateway in &gateways {
        gateway.take(&user, ADDRESS, counts(Class::Hold, 2), now).await.unwrap();
    }
    for gateway in &gateways {
        let limited = gateway.take(&user, ADDRESS, counts(Class::Hold, 1), now).await.unwrap_err();
        let Limited::Until(wait) = limited else { panic!("{limited:?}") };
        assert!(wait <= Duration::from_secs(15) && wait > Duration::from_secs(10), "{wait:?}");
        // The other classes have their own.
        gateway.take(&user, ADDRESS, counts(Class::General, 1), now).await.unwrap();
    }
    shutdown.finish(Duration::ZERO).await;
}

#[tokio::test]
async fn who_is_known_to_lack_tokens_does_not_reach_redis() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    connected(&redis).await;
    let limiter = limiter(RateLimits { payment: 1, ..RateLimits::default() }, Some(redis.clone()));
    let (user, now) = (user(), SystemClock.now());
    limiter.take(&user, ADDRESS, counts(Class::Payment, 1), now).await.unwrap();
    limiter.take(&user, ADDRESS, counts(Class::Payment, 1), now).await.unwrap_err();
    // Redis forgets all, and the answer is the same: nobody asked it.
    let demands = demands(&limiter.limits, &user, ADDRESS, counts(Class::Payment, 1));
    for demand in &demands {
        redis.delete(vec![redis.key(&demand.key)]).await.unwrap();
    }
    limiter.take(&user, ADDRESS, counts(Class::Payment, 1), now).await.unwrap_err();
    shutdown.finish(Duration::ZERO).await;
}

#[tokio::test]
async fn the_uses_of_a_key_are_counted_and_end_at_its_quota() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    connected(&redis).await;
    uses_end_at_a_quota(&redis).await;
    shutdown.finish(Duration::ZERO).await;
}

async fn uses_end_at_a_quota(redis: &Redis) {
    let limiter = limiter(RateLimits::default(), Some(redis.clone()));
    let id = ApiKeyId::from_uuid(SystemIds.uuid());
    let key = Subject::Key { id, rate_per_minute: 1_000, daily_quota: 5 };
    let now = "2026-11-20T23:00:00Z".parse().unwrap();
    let mut mixed = counts(Class::General, 2);
    mixed.add(Class::Hold);
    limiter.take(&key, ADDRESS, mixed, now).await.unwrap();
    let refused = limiter.take(&key, ADDRESS, mixed, now).await.unwrap_err();
    assert_eq!(refused, Limited::Quota(Duration::from_hours(1)));
    limiter.take(&key, ADDRESS, counts(Class::Hold, 2), now).await.unwrap();
    let script = Script::new("return redis.call('HGETALL', KEYS[1])");
    let uses = redis.key(&usage_key(id, "2026-11-20".parse().unwrap()));
    let found = redis.eval(&script, vec![uses], Vec::new()).await.unwrap();
    let found = found.convert::<std::collections::BTreeMap<String, u64>>().unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("general".to_owned(), 2), ("hold".to_owned(), 3)]);
    // The next day is another.
    limiter.take(&key, ADDRESS, mixed, "2026-11-21T00:00:00Z".parse().unwrap()).await.unwrap();
}

/// In a cluster no call has buckets of two places.
#[test]
fn each_owner_of_buckets_is_asked_apart() {
    let demands = demands(&RateLimits::default(), &user(), ADDRESS, counts(Class::Hold, 1));
    assert_eq!((demands.len(), parts(&demands, false).len()), (4, 1));
    let parts = parts(&demands, true);
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    for part in parts {
        let place = |key: &str| fred::util::redis_keyslot(format!("marquee:{key}").as_bytes());
        assert!(part.iter().all(|demand| place(&demand.key) == place(&part[0].key)), "{part:?}");
    }
    // The uses of an API key are where its buckets are.
    let id = ApiKeyId::from_uuid(SystemIds.uuid());
    let key = Subject::Key { id, rate_per_minute: 1, daily_quota: 1 };
    let demands = super::demands(&RateLimits::default(), &key, ADDRESS, counts(Class::Hold, 1));
    let hash = usage_key(id, "2026-11-20".parse().unwrap());
    let slot = fred::util::redis_keyslot(hash.as_bytes());
    assert!(demands.iter().all(|demand| fred::util::redis_keyslot(demand.key.as_bytes()) == slot));
}

#[tokio::test]
async fn who_is_refused_for_an_address_keeps_what_is_theirs() {
    let shutdown = Shutdown::new();
    let redis = redis(&shutdown);
    connected(&redis).await;
    refusals_take_nothing(&redis, 0).await;
    shutdown.finish(Duration::ZERO).await;
}

/// Where the buckets of a user and those of an address really are in different places.
#[tokio::test]
async fn in_a_cluster_the_same_limits_hold() {
    let shutdown = Shutdown::new();
    let cluster = OwnCluster::start().await.unwrap();
    let config = RedisConfig { url: cluster.url().into(), ..RedisConfig::default() };
    let redis = Redis::connect(&config, &shutdown).unwrap();
    connected(&redis).await;
    assert!(redis.is_clustered());
    // Buckets of many users and keys, so of all nodes.
    for network in 0..8 {
        refusals_take_nothing(&redis, network).await;
        uses_end_at_a_quota(&redis).await;
    }
    shutdown.finish(Duration::ZERO).await;
}

async fn refusals_take_nothing(redis: &Redis, network: u8) {
    let limits = RateLimits { hold: 4, known_per_address: 1, ..RateLimits::default() };
    let gateway =
        || RateLimiter { apart: !redis.is_clustered(), ..limiter(limits.clone(), Some(redis.clone())) };
    let [here, elsewhere, third_place] = [7, 8, 9].map(|host| IpAddr::from([198, 51, network, host]));
    let (first, second, now) = (user(), user(), SystemClock.now());
    gateway().take(&first, here, counts(Class::Hold, 3), now).await.unwrap();
    let limited = gateway().take(&second, here, counts(Class::Hold, 2), now).await.unwrap_err();
    assert!(matches!(limited, Limited::Until(_)), "{limited:?}");
    // The second has all of the own tokens left, and the address its last one.
    gateway().take(&second, elsewhere, counts(Class::Hold, 3), now).await.unwrap();
    gateway().take(&second, here, counts(Class::Hold, 1), now).await.unwrap();
    // And the other way round: the own bucket is empty, that of the address is not.
    gateway().take(&second, third_place, counts(Class::Hold, 1), now).await.unwrap_err();
    let third = user();
    gateway().take(&third, third_place, counts(Class::Hold, 4), now).await.unwrap();
}

#[tokio::test]
async fn uses_are_counted_while_redis_is_away_and_told_when_it_is_back() {
    let shutdown = Shutdown::new();
    let nowhere = RedisConfig { url: "redis://127.0.0.1:1".into(), ..RedisConfig::default() };
    let away = Redis::connect(&nowhere, &shutdown).unwrap();
    let mut broken = away.away();
    timeout(Duration::from_secs(20), broken.wait_for(|away| *away)).await.unwrap().unwrap();
    let mut limiter = limiter(RateLimits::default(), Some(away));
    let id = ApiKeyId::from_uuid(SystemIds.uuid());
    let key = Subject::Key { id, rate_per_minute: 1_000, daily_quota: 5 };
    let now = "2026-11-20T23:00:00Z".parse().unwrap();
    limiter.take(&key, ADDRESS, counts(Class::Hold, 4), now).await.unwrap();
    let refused = limiter.take(&key, ADDRESS, counts(Class::Hold, 2), now).await.unwrap_err();
    assert_eq!(refused, Limited::Quota(Duration::from_hours(1)));
    // Whoever asks first when it is back has all told.
    let redis = redis(&shutdown);
    connected(&redis).await;
    limiter.redis = Some(redis.clone());
    limiter.take(&user(), ADDRESS, counts(Class::General, 1), now).await.unwrap();
    let script = Script::new("return redis.call('HGET', KEYS[1], 'hold')");
    let uses = redis.key(&usage_key(id, "2026-11-20".parse().unwrap()));
    let told = async {
        loop {
            let found = redis.eval(&script, vec![uses.clone()], Vec::new()).await.unwrap();
            if let Some(number) = found.convert::<Option<u32>>().unwrap() {
                return number;
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), told).await.unwrap(), 4);
    limiter.take(&key, ADDRESS, counts(Class::Hold, 2), now).await.unwrap_err();
    limiter.take(&key, ADDRESS, counts(Class::Hold, 1), now).await.unwrap();
    shutdown.finish(Duration::ZERO).await;
}

#[tokio::test]
async fn without_redis_the_same_limits_hold_in_this_process() {
    let shutdown = Shutdown::new();
    let nowhere = RedisConfig { url: "redis://127.0.0.1:1".into(), ..RedisConfig::default() };
    let away = Redis::connect(&nowhere, &shutdown).unwrap();
    for redis in [None, Some(away)] {
        let limiter = limiter(RateLimits { hold: 3, ..RateLimits::default() }, redis);
        let (user, now) = (user(), SystemClock.now());
        limiter.take(&user, ADDRESS, counts(Class::Hold, 3), now).await.unwrap();
        let limited = limiter.take(&user, ADDRESS, counts(Class::Hold, 1), now).await.unwrap_err();
        assert!(matches!(limited, Limited::Until(_)), "{limited:?}");
        limiter.take(&self::user(), ADDRESS, counts(Class::Hold, 1), now).await.unwrap();
    }
    shutdown.finish(Duration::ZERO).await;
}

#[tokio::test]
async fn an_operation_that_can_never_pass_says_so() {
    let limiter = limiter(RateLimits::default(), None);
    let limited = limiter.take(&user(), ADDRESS, counts(Class::Hold, 11), SystemClock.now()).await;
    assert_eq!(limited, Err(Limited::TooMuch { class: Class::Hold, most: 10 }));
}

#[tokio::test]
async fn limits_can_be_off() {
    let limiter = Arc::new(limiter(RateLimits { enabled: false, ..RateLimits::default() }, None));
    let now = SystemClock.now();
    for _ in 0..300 {
        limiter.take(&Subject::Stranger, ADDRESS, counts(Class::Payment, 7), now).await.unwrap();
    }
}
