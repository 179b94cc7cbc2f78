//! The same where several servers share the keys.

use std::{collections::BTreeSet, sync::Arc};

use fred::{bytes::Bytes, interfaces::*, types::Value, util::redis_keyslot};
use own_redis::OwnCluster;
use platform::{
    Redis, Script, Shutdown,
    redis::{RedisConfig, Servers},
};

use crate::{
    redis::{connected, next, turns},
    support::{redis_config, until},
};

/// A cluster, and who is connected to it.
async fn open(shutdown: &Shutdown) -> (OwnCluster, Redis) {
    let cluster = OwnCluster::start().await.unwrap();
    let config = RedisConfig { url: cluster.url().into(), ..redis_config() };
    let redis = connected(&config, shutdown).await;
    assert!(redis.is_clustered());
    (cluster, redis)
}

fn slot(key: &str) -> u16 {
    redis_keyslot(key.as_bytes())
}

/// Keys with as many tags, some on each node.
fn keys(redis: &Redis) -> Vec<String> {
    let keys: Vec<_> = (0..60).map(|tag| redis.key(&format!("{{{tag}}}:k"))).collect();
    let nodes: BTreeSet<_> = keys.iter().map(|key| OwnCluster::owner(slot(key))).collect();
    assert_eq!(nodes.len(), 3);
    keys
}

async fn servers(redis: &Redis) -> Arc<Servers> {
    until("the names of the servers", || async { redis.subscriber().ask_servers().await.is_some() }).await;
    redis.subscriber().servers().unwrap()
}

#[tokio::test]
async fn scripts_run_and_messages_arrive_wherever_a_key_is() {
    let shutdown = Shutdown::new();
    let (cluster, redis) = open(&shutdown).await;
    let (keys, other) = (keys(&redis), connected(&config_of(&cluster, &redis), &shutdown).await);
    let script = Script::new(
        "redis.call('SET', KEYS[1], ARGV[1]) redis.call('PUBLISH', ARGV[2], ARGV[1]) \
         return redis.call('GET', KEYS[1])",
    );
    let pubsub = redis.subscriber();
    let mut stream = pubsub.stream();
    for round in 0..2 {
        for (number, key) in (0_i64..).zip(&keys) {
            let channel = format!("channel:{number}");
            // From the moment that it is subscribed nothing is missed, whichever node it is published on.
            pubsub.subscribe(&channel).await.unwrap();
            let args = vec![Value::from(number), redis.key(&channel).into()];
            let answer = other.eval(&script, vec![key.clone()], args).await.unwrap();
            assert_eq!(answer.as_i64(), Some(number));
            assert_eq!(next(&mut stream).await, Some((channel, number.to_string())));
        }
        // Messages of one who is on another node perhaps; and nobody gets them after the end.
        other.publish("channel:7", Bytes::from_static(b"a")).await.unwrap();
        assert_eq!(next(&mut stream).await, Some(("channel:7".to_owned(), "a".to_owned())));
        for number in 0..keys.len() {
            pubsub.unsubscribe(&format!("channel:{number}")).await;
        }
        // Each node forgets scripts by itself.
        let node = &cluster.nodes()[round];
        node.ask("SCRIPT FLUSH").await.unwrap();
    }
    // Several keys in one round trip.
    let pipeline = redis.pipeline();
    for key in &keys {
        let _: Value = pipeline.get(key).await.unwrap();
    }
    let found: Vec<i64> = pipeline.all().await.unwrap();
    assert_eq!(found, (0..60).collect::<Vec<_>>());
}

fn config_of(cluster: &OwnCluster, redis: &Redis) -> RedisConfig {
    RedisConfig { url: cluster.url().into(), prefix: redis.key(""), ..redis_config() }
}

#[tokio::test]
async fn a_key_that_moved_is_found_at_once() {
    let shutdown = Shutdown::new();
    let (cluster, redis) = open(&shutdown).await;
    let script = Script::new("return redis.call('INCR', KEYS[1])");
    let key = redis.key("{moving}:k");
    let (slot, from) = (slot(&key), OwnCluster::owner(slot(&key)));
    let run = servers(&redis).await.of(&key).cloned().unwrap();
    let mut expected = 0;
    for (from, to) in [(from, (from + 1) % 3), ((from + 1) % 3, (from + 2) % 3)] {
        // By each of its connections.
        for _ in 0..4 {
            expected += 1;
            let answer = redis.eval(&script, vec![key.clone()], Vec::new()).await.unwrap();
            assert_eq!(answer.as_i64(), Some(expected));
        }
        cluster.move_slot(slot, from, to).await.unwrap();
    }
    assert_eq!(redis.eval(&script, vec![key.clone()], Vec::new()).await.unwrap().as_i64(), Some(9));
    let servers = servers(&redis).await;
    assert!(servers.has(&run) && servers.of(&key).is_some_and(|now| *now != run));
    assert_eq!(redis.outages(), 0);
}

#[tokio::test]
async fn a_cluster_without_one_of_its_nodes_is_away() {
    let shutdown = Shutdown::new();
    let (mut cluster, redis) = open(&shutdown).await;
    let pubsub = redis.subscriber();
    pubsub.subscribe("channel").await.unwrap();
    let before = servers(&redis).await;
    let (keys, lost) = (keys(&redis), 1);
    let mut stream = pubsub.stream();
    cluster.node(lost).kill().unwrap();
    turns(&redis, true).await;
    cluster.node(lost).revive().await.unwrap();
    turns(&redis, false).await;
    assert_eq!(next(&mut stream).await, None, "a resync");
    redis.publish("channel", Bytes::from_static(b"a")).await.unwrap();
    let message = async {
        loop {
            // There may be another resync before it.
            if let Some(message) = next(&mut stream).await {
                return message;
            }
        }
    };
    assert_eq!(message.await, ("channel".to_owned(), "a".to_owned()));
    let after = servers(&redis).await;
    for key in &keys {
        assert_eq!(after.of(key) == before.of(key), OwnCluster::owner(slot(key)) != lost, "{key}");
    }
    assert!(
        !after.has(before.of(keys.iter().find(|key| OwnCluster::owner(slot(key)) == lost).unwrap()).unwrap())
    );
    assert_eq!(redis.outages(), 1);
}
