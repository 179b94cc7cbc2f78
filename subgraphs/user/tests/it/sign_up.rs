//! Signing up.

use chrono::TimeDelta;
use futures::future::join_all;
use kernel::{Clock as _, UserId};
use serde_json::{Value, json};

use crate::support::{PASSWORD, World, device, refusals, time};

fn form(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace" })
}

#[tokio::test]
async fn signing_up_opens_a_session_and_tells_the_others() {
    let world = World::new().await;
    let mut input = form("  Ada@Example.COM ");
    input["locale"] = json!("de-at");
    input["timeZone"] = json!("Europe/Vienna");
    let payload = world.sign_up(input).await;
    let device = device(&payload);

    let session = &payload["session"];
    assert_eq!(session["user"]["email"], "ada@example.com");
    assert_eq!(time(&session["expiresAt"]), world.clock.now() + TimeDelta::minutes(15));
    assert_eq!(time(&session["refreshExpiresAt"]), world.clock.now() + TimeDelta::days(30));

    let me = world.me(Some(&device.access)).await;
    assert_eq!(
        me["data"]["me"],
        json!({
            "id": device.user,
            "email": "ada@example.com",
            "name": "Ada Lovelace",
            "locale": "de-AT",
            "timeZone": "Europe/Vienna",
            "roles": ["CUSTOMER"],
            "createdAt": "2026-06-01T12:00:00+00:00",
        })
    );
    assert!(device.user.parse::<UserId>().is_ok());
    assert_eq!(
        world.events().await,
        [(
            "user.registered".to_owned(),
            json!({
                "user_id": device.user,
                "revision": 1,
                "email": "ada@example.com",
                "name": "Ada Lovelace",
                "locale": "de-AT",
                "time_zone": "Europe/Vienna",
            })
        )]
    );
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_spelling() {
    let world = World::new().await;
    world.person("ada@example.com").await;
    for spelling in ["ada@example.com", "ADA@example.com", " ada@EXAMPLE.com"] {
        let payload = world.sign_up(form(spelling)).await;
        assert_eq!(refusals(&payload), ["EmailTakenError"]);
        assert_eq!(payload["userErrors"][0]["code"], "EMAIL_TAKEN");
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "email"]));
    }
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn of_many_at_the_same_moment_one_gets_the_address() {
    let world = World::new().await;
    let payloads = join_all((0..8).map(|_| world.sign_up(form("ada@example.com")))).await;
    let taken = payloads.iter().filter(|payload| refusals(payload) == ["EmailTakenError"]).count();
    let created = payloads.iter().filter(|payload| !payload["session"].is_null()).count();
    assert_eq!((created, taken), (1, 7));
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let world = World::new().await;
    let long = "x".repeat(129);
    for (field, value, message) in [
        ("email", "", "not an email address"),
        ("email", "ada@localhost", "not an email address"),
        ("email", "ada@example.com\r\nBcc: x@example.com", "not an email address"),
        ("password", "short", "at least 8"),
        ("password", &long, "at most 128"),
        ("password", "password1", "too easy"),
        ("password", "ada@example.com", "cannot be the password"),
        ("name", " \t ", "at least one letter"),
        ("name", &long, "at most 100"),
        ("name", "Ada\u{202e}", "invisible"),
        ("locale", "english", "language tag"),
        ("timeZone", "Berlin", "time zone name"),
    ] {
        let mut input = form("ada@example.com");
        input[field] = json!(value);
        let payload = world.sign_up(input).await;
        assert_eq!(refusals(&payload), ["InvalidInputError"], "{field}: {value}");
        let error = &payload["userErrors"][0];
        assert_eq!((&error["code"], &error["path"]), (&json!("INVALID_INPUT"), &json!(["input", field])));
        assert!(error["message"].as_str().unwrap().contains(message), "{value}: {error}");
    }

    let payload = world
        .sign_up(json!({
            "email": "x", "password": "x", "name": "", "locale": "x", "timeZone": "x"
        }))
        .await;
    let paths: Vec<_> = payload["userErrors"].as_array().unwrap().iter().map(|e| &e["path"][1]).collect();
    assert_eq!(paths, ["email", "password", "name", "locale", "timeZone"]);
    assert_eq!(world.events().await, []);
}
