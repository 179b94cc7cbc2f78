//! What API keys did: counted in Redis, kept in PostgreSQL, shown to those whom it concerns.

use chrono::{Days, NaiveDate};
use fred::interfaces::HashesInterface as _;
use graphql_kit::Role;
use kernel::Clock as _;
use platform::auth::usage_key;
use serde_json::{Value, json};
use user::app::{Copied, keep_usage};

use crate::support::{Device, World, error_code};

async fn count(world: &World, key: &str, day: NaiveDate, class: &str, operations: i64) {
    let redis = &world.deps.redis;
    let name = redis.key(&usage_key(key.parse().unwrap(), day));
    let _: i64 = redis.pool().hincrby(name, class, operations).await.unwrap();
}

async fn keep(world: &World) -> Copied {
    keep_usage(world.pg(), &world.deps.redis, world.clock.now()).await.unwrap()
}

async fn usage(world: &World, caller: &Device, from: NaiveDate, to: NaiveDate) -> Value {
    let query = "query($from: Date!, $to: Date!) { apiKeys { nodes {
        usage(from: $from, to: $to) { day operations classes { class operations } } } } }";
    world.post(Some(&caller.access), query, json!({ "from": from, "to": to })).await
}

#[tokio::test]
async fn counts_are_kept_by_day_and_class_and_never_lowered() {
    let world = World::new().await;
    let partner = world.person_with("partner@example.com", &[Role::Partner]).await;
    let (key, _) = world.key("partner@example.com").await;
    let today = world.clock.now().date_naive();
    let (yesterday, before) = (today - Days::new(1), today - Days::new(2));
    count(&world, &key, before, "general", 7).await;
    count(&world, &key, yesterday, "general", 5).await;
    count(&world, &key, today, "hold", 2).await;
    count(&world, &key, today, "general", 3).await;
    assert_eq!(keep(&world).await, Copied { keys: 1, counts: 4 });

    let expect = json!([
        { "day": yesterday, "operations": 5, "classes": [{ "class": "general", "operations": 5 }] },
        { "day": today, "operations": 5, "classes":
            [{ "class": "general", "operations": 3 }, { "class": "hold", "operations": 2 }] },
    ]);
    let shown = usage(&world, &partner, yesterday, today).await;
    assert_eq!(shown["data"]["apiKeys"]["nodes"][0]["usage"], expect, "{shown}");

    // Again, and again after Redis has lost one count and gone on with another.
    keep(&world).await;
    count(&world, &key, today, "general", -2).await;
    count(&world, &key, today, "hold", 10).await;
    keep(&world).await;
    let shown = usage(&world, &partner, today, today).await;
    let shown = &shown["data"]["apiKeys"]["nodes"][0]["usage"][0];
    assert_eq!(shown["operations"], 15, "{shown}");

    // And after it has lost all: what is used then is used on top of what was.
    let name = world.deps.redis.key(&usage_key(key.parse().unwrap(), today));
    world.deps.redis.delete(vec![name]).await.unwrap();
    keep(&world).await;
    count(&world, &key, today, "hold", 1).await;
    keep(&world).await;
    let shown = usage(&world, &partner, today, today).await;
    let shown = &shown["data"]["apiKeys"]["nodes"][0]["usage"][0];
    assert_eq!(shown["operations"], 16, "{shown}");
}

#[tokio::test]
async fn many_keys_are_kept_in_one_run() {
    let config = user::Config {
        api_keys: user::ApiKeyConfig { per_account: 1_000, ..user::ApiKeyConfig::default() },
        ..crate::support::config()
    };
    let world = World::with(config).await;
    world.person_with("partner@example.com", &[Role::Partner]).await;
    let today = world.clock.now().date_naive();
    for number in 0..203 {
        let (key, _) = world.key("partner@example.com").await;
        if number % 50 == 0 {
            count(&world, &key, today, "general", 1).await;
        }
    }
    assert_eq!(keep(&world).await, Copied { keys: 203, counts: 5 });
    assert_eq!(world.rows("SELECT FROM users.api_key_usage").await.len(), 5);
}

#[tokio::test]
async fn a_question_about_too_many_days_is_refused() {
    let world = World::new().await;
    let partner = world.person_with("partner@example.com", &[Role::Partner]).await;
    world.key("partner@example.com").await;
    let today = world.clock.now().date_naive();
    for (from, to) in [(today, today + Days::new(92)), (today, today - Days::new(1))] {
        let answer = usage(&world, &partner, from, to).await;
        assert_eq!(error_code(&answer), "BAD_USER_INPUT");
    }
}
