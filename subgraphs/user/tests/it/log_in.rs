//! Logging in, and guessing.

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use user::{Config, PasswordConfig, ThrottleConfig};

use crate::support::{PASSWORD, World, config, device, refusals};

fn throttled() -> Config {
    Config { throttle: ThrottleConfig { free_attempts: 3, ..ThrottleConfig::default() }, ..config() }
}

#[tokio::test]
async fn the_owner_gets_in_with_any_spelling_of_the_address() {
    let world = World::new().await;
    let first = world.person("ada@example.com").await;
    let second = world.other_device(" ADA@Example.com ").await;
    assert_eq!(first.user, second.user);
    assert_ne!(first.refresh, second.refresh);
    let me = world.me(Some(&second.access)).await;
    assert_eq!(me["data"]["me"]["email"], "ada@example.com");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike() {
    let world = World::new().await;
    world.person("ada@example.com").await;
    let wrong = world.log_in("ada@example.com", "wrong password").await;
    let unknown = world.log_in("bob@example.com", "wrong password").await;
    let endless = world.log_in("ada@example.com", &"x".repeat(5_000)).await;
    assert_eq!(refusals(&wrong), ["InvalidCredentialsError"]);
    assert_eq!(wrong["userErrors"][0]["code"], "INVALID_CREDENTIALS");
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, endless);

    let no_address = world.log_in("ada", PASSWORD).await;
    assert_eq!(refusals(&no_address), ["InvalidInputError"]);
}

#[tokio::test]
async fn guessing_gets_slower_for_known_and_unknown_addresses_alike() {
    let world = World::with(throttled()).await;
    world.person("ada@example.com").await;
    for email in ["ada@example.com", "bob@example.com"] {
        for _ in 0..3 {
            assert_eq!(refusals(&world.log_in(email, "wrong password").await), ["InvalidCredentialsError"]);
        }
        let payload = world.log_in(email, PASSWORD).await;
        assert_eq!(refusals(&payload), ["TooManyAttemptsError"], "{email}");
        assert_eq!(payload["userErrors"][0]["retryAfterSeconds"], 5);
    }

    world.advance(TimeDelta::seconds(5));
    assert_eq!(
        refusals(&world.log_in("ada@example.com", "wrong password").await),
        ["InvalidCredentialsError"]
    );
    let payload = world.log_in("ada@example.com", PASSWORD).await;
    assert_eq!(payload["userErrors"][0]["retryAfterSeconds"], 10);

    // The right password after the delay makes everything good again.
    world.advance(TimeDelta::seconds(10));
    device(&world.log_in("ada@example.com", PASSWORD).await);
    for _ in 0..3 {
        device(&world.log_in("ada@example.com", PASSWORD).await);
    }
}

#[tokio::test]
async fn a_quiet_day_forgets_wrong_guesses() {
    let world = World::with(throttled()).await;
    for _ in 0..2 {
        for _ in 0..3 {
            let payload = world.log_in("ada@example.com", "wrong password").await;
            assert_eq!(refusals(&payload), ["InvalidCredentialsError"]);
        }
        assert_eq!(refusals(&world.log_in("ada@example.com", PASSWORD).await), ["TooManyAttemptsError"]);
        world.advance(TimeDelta::days(1));
    }
}

#[tokio::test]
async fn guesses_in_parallel_do_not_slip_through_together() {
    let world = World::with(throttled()).await;
    world.person("ada@example.com").await;
    let payloads = join_all((0..12).map(|_| world.log_in("ada@example.com", "wrong password"))).await;
    let count = |kind: &str| payloads.iter().filter(|payload| refusals(payload) == [kind]).count();
    assert_eq!((count("InvalidCredentialsError"), count("TooManyAttemptsError")), (3, 9));
}

#[tokio::test]
async fn a_log_in_renews_a_hash_of_other_costs() {
    let world = World::new().await;
    world.person("ada@example.com").await;
    let dearer = world.reconfigured(Config {
        password: PasswordConfig { memory_kib: 16, ..world.config.password },
        ..world.config.clone()
    });
    for _ in 0..2 {
        dearer.other_device("ada@example.com").await;
        let rows = world.rows("SELECT password_hash FROM users.accounts").await;
        let hash: String = rows[0].try_get("", "password_hash").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{hash}");
    }
}

#[tokio::test]
async fn what_clients_already_send_works() {
    let world = World::new().await;
    let operation = "mutation LogIn($input: LogInInput!) {
        logIn(input: $input) {
            session { accessToken refreshToken expiresAt user { id email name } }
            userErrors { __typename message code path }
        }
    }";
    let input = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = world.post(None, operation, json!({ "input": input })).await;
    assert_eq!(answer.get("errors"), None);
    assert_eq!(answer["data"]["logIn"]["session"], Value::Null);
    assert_eq!(answer["data"]["logIn"]["userErrors"][0]["path"], json!(["input", "password"]));
}
