//! Staying logged in, and logging out.

use chrono::TimeDelta;
use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Device, World, device, error_code, refusals, until};

const EMAIL: &str = "ada@example.com";

async fn log_out_everywhere(world: &World, device: &Device, keep: bool) -> Value {
    world
        .mutate(
            Some(&device.access),
            "logOutEverywhere",
            json!({ "keepThisSession": keep }),
            "endedSessions userErrors { code }",
        )
        .await
}

async fn assert_revoked(world: &World, device: &Device) {
    assert_eq!(refusals(&world.refresh(&device.refresh).await), ["SessionRevokedError"]);
}

#[tokio::test]
async fn each_refresh_gives_the_next_token() {
    let world = World::new().await;
    let mut newest = world.person(EMAIL).await;
    for _ in 0..3 {
        world.advance(TimeDelta::minutes(10));
        let next = device(&world.refresh(&newest.refresh).await);
        assert_ne!((&next.access, &next.refresh), (&newest.access, &newest.refresh));
        assert_eq!(world.me(Some(&next.access)).await["data"]["me"]["id"], newest.user);
        newest = next;
    }
}

#[tokio::test]
async fn a_token_that_comes_twice_ends_the_session() {
    let world = World::new().await;
    let other = world.person(EMAIL).await;
    let first = world.other_device(EMAIL).await;
    let second = device(&world.refresh(&first.refresh).await);
    let third = device(&world.refresh(&second.refresh).await);

    let payload = world.refresh(&first.refresh).await;
    assert_eq!(refusals(&payload), ["SessionRevokedError"]);
    assert_eq!(payload["userErrors"][0]["code"], "SESSION_REVOKED");
    // Nobody can tell who holds the newest token: it is worth nothing either.
    assert_revoked(&world, &third).await;
    // Other sessions of the person go on.
    device(&world.refresh(&other.refresh).await);
}

#[tokio::test]
async fn of_many_refreshes_at_the_same_moment_one_wins_and_the_session_ends() {
    let world = World::new().await;
    let owner = world.person(EMAIL).await;
    let payloads = join_all((0..8).map(|_| world.refresh(&owner.refresh))).await;
    let won: Vec<_> = payloads.iter().filter(|payload| !payload["session"].is_null()).collect();
    assert_eq!(won.len(), 1);
    for payload in payloads.iter().filter(|payload| payload["session"].is_null()) {
        assert_eq!(refusals(payload), ["SessionRevokedError"]);
    }
    assert_revoked(&world, &device(won[0])).await;
}

#[tokio::test]
async fn a_session_that_rests_too_long_expires() {
    let world = World::new().await;
    let resting = world.person(EMAIL).await;
    world.advance(TimeDelta::days(30));
    let payload = world.refresh(&resting.refresh).await;
    assert_eq!(refusals(&payload), ["SessionExpiredError"]);
    assert_eq!(payload["userErrors"][0]["code"], "SESSION_EXPIRED");
}

#[tokio::test]
async fn a_session_ends_at_last_however_often_it_is_refreshed() {
    let world = World::new().await;
    let mut newest = world.person(EMAIL).await;
    for _ in 0..8 {
        world.advance(TimeDelta::days(20));
        newest = device(&world.refresh(&newest.refresh).await);
    }
    world.advance(TimeDelta::days(20));
    assert_eq!(refusals(&world.refresh(&newest.refresh).await), ["SessionExpiredError"]);
}

#[tokio::test]
async fn what_was_never_given_out_is_no_token() {
    let world = World::new().await;
    let owner = world.person(EMAIL).await;
    let foreign = format!("mrt_{}", "A".repeat(43));
    for token in ["", "mrt_", &foreign, &owner.access, &owner.refresh[..40]] {
        assert_eq!(refusals(&world.refresh(token).await), ["InvalidRefreshTokenError"], "{token}");
    }
    device(&world.refresh(&owner.refresh).await);
}

#[tokio::test]
async fn only_hashes_of_tokens_are_stored() {
    let world = World::new().await;
    let owner = world.person(EMAIL).await;
    let rows = world.rows("SELECT hash, t::text AS all FROM users.refresh_tokens AS t").await;
    let hash: Vec<u8> = rows[0].try_get("", "hash").unwrap();
    assert_eq!(hash, Sha256::digest(&owner.refresh).to_vec());
    let all: String = rows[0].try_get("", "all").unwrap();
    assert!(!all.contains(&owner.refresh));
}

#[tokio::test]
async fn what_has_expired_is_forgotten() {
    let world = World::new().await;
    world.person(EMAIL).await;
    world.log_in("bob@example.com", "wrong password").await;
    world.advance(TimeDelta::days(181));
    world.other_device(EMAIL).await;
    user::consumers(&world.config, &world.deps, &world.shutdown);
    let left = async || {
        let rows = world
            .rows(
                "SELECT (SELECT count(*) FROM users.sessions) AS sessions,
                    (SELECT count(*) FROM users.refresh_tokens) AS tokens,
                    (SELECT count(*) FROM users.log_in_attempts) AS attempts",
            )
            .await;
        ["sessions", "tokens", "attempts"].map(|name| rows[0].try_get::<i64>("", name).unwrap())
    };
    until("the purge", async || left().await == [1, 1, 0]).await;
}

#[tokio::test]
async fn logging_out_ends_this_session_only() {
    let world = World::new().await;
    let staying = world.person(EMAIL).await;
    let leaving = world.other_device(EMAIL).await;
    // Clients may leave the input out.
    for _ in 0..2 {
        let answer = world
            .post(Some(&leaving.access), "mutation { logOut { loggedOut userErrors { code } } }", json!({}))
            .await;
        assert_eq!(answer["data"]["logOut"], json!({ "loggedOut": true, "userErrors": [] }));
    }
    assert_revoked(&world, &leaving).await;
    device(&world.refresh(&staying.refresh).await);
}

#[tokio::test]
async fn a_device_whose_access_token_has_expired_can_log_out() {
    let world = World::new().await;
    let leaving = world.person(EMAIL).await;
    world.advance(TimeDelta::hours(1));
    let selection = "loggedOut userErrors { __typename }";
    let with = async |token: &str| {
        let input = json!({ "refreshToken": token });
        world.mutate(Some(&leaving.access), "logOut", input, selection).await
    };
    assert_eq!(with("mrt_").await["userErrors"], json!([{ "__typename": "InvalidRefreshTokenError" }]));
    assert_eq!(with(&leaving.refresh).await["loggedOut"], true);
    assert_revoked(&world, &leaving).await;

    let answer = world.post(None, "mutation { logOut { loggedOut } }", json!({})).await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED");
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_the_person() {
    let world = World::new().await;
    let stranger = world.person("bob@example.com").await;
    let devices =
        [world.person(EMAIL).await, world.other_device(EMAIL).await, world.other_device(EMAIL).await];
    let payload = log_out_everywhere(&world, &devices[1], false).await;
    assert_eq!(payload, json!({ "endedSessions": 3, "userErrors": [] }));
    for device in &devices {
        assert_revoked(&world, device).await;
    }
    device(&world.refresh(&stranger.refresh).await);
    // Whoever was logged out cannot change anything, though the access token has not expired.
    let answer = world
        .post(Some(&devices[0].access), "mutation { logOutEverywhere { endedSessions } }", json!({}))
        .await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED");
}

#[tokio::test]
async fn this_device_can_stay_logged_in() {
    let world = World::new().await;
    let gone = world.person(EMAIL).await;
    let kept = world.other_device(EMAIL).await;
    let payload = log_out_everywhere(&world, &kept, true).await;
    assert_eq!(payload["endedSessions"], 1);
    assert_revoked(&world, &gone).await;
    device(&world.refresh(&kept.refresh).await);
}

#[tokio::test]
async fn devices_that_end_each_other_do_not_deadlock() {
    let world = World::new().await;
    world.person(EMAIL).await;
    let devices = join_all((0..4).map(|_| world.other_device(EMAIL))).await;

    // One of the rows that all of them want is held until they have come as far as they can.
    let held = world.pg().begin().await.unwrap();
    held.execute_unprepared("SELECT FROM users.sessions ORDER BY id LIMIT 1 FOR UPDATE").await.unwrap();
    let release = async {
        world.until_waiting(devices.len()).await;
        held.commit().await.unwrap();
    };
    let query = "mutation { logOutEverywhere { endedSessions } }";
    let log_outs = join_all(devices.iter().map(|device| world.post(Some(&device.access), query, json!({}))));
    let (answers, ()) = futures::join!(log_outs, release);

    let ended = answers.iter().filter(|answer| answer.get("errors").is_none()).count();
    assert_eq!(ended, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.get("errors").is_some()) {
        assert_eq!(error_code(answer), "UNAUTHENTICATED");
    }
}
