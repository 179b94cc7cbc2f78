//! Changing the profile and the password.

use serde_json::{Value, json};

use crate::support::{Device, PASSWORD, World, device, error_code, refusals};

const EMAIL: &str = "ada@example.com";
const NEW_PASSWORD: &str = "a new and better one";

async fn update(world: &World, device: &Device, input: Value) -> Value {
    let selection = "user { name locale timeZone } userErrors { __typename path }";
    world.mutate(Some(&device.access), "updateProfile", input, selection).await
}

async fn change_password(world: &World, device: &Device, current: &str, new: &str) -> Value {
    let input = json!({ "currentPassword": current, "newPassword": new });
    let selection = "user { id } userErrors { __typename path }";
    world.mutate(Some(&device.access), "changePassword", input, selection).await
}

#[tokio::test]
async fn a_change_is_told_with_the_next_revision() {
    let world = World::new().await;
    let ada = world.person(EMAIL).await;
    let input = json!({ "name": " Augusta  Ada ", "locale": "fr", "timeZone": "Europe/Paris" });
    let payload = update(&world, &ada, input).await;
    assert_eq!(payload["user"], json!({ "name": "Augusta Ada", "locale": "fr", "timeZone": "Europe/Paris" }));
    let (name, body) = world.events().await.pop().unwrap();
    assert_eq!(name, "user.changed");
    assert_eq!(body["revision"], 2);
    assert_eq!(body["name"], "Augusta Ada");
    assert_eq!(body["email"], EMAIL);
}

#[tokio::test]
async fn what_is_left_out_stays_and_null_forgets_the_zone() {
    let world = World::new().await;
    let ada = world.person(EMAIL).await;
    update(&world, &ada, json!({ "timeZone": "Europe/Paris" })).await;
    let payload = update(&world, &ada, json!({ "locale": "fr" })).await;
    assert_eq!(payload["user"], json!({ "name": "Ada", "locale": "fr", "timeZone": "Europe/Paris" }));
    let payload = update(&world, &ada, json!({ "timeZone": null })).await;
    assert_eq!(payload["user"], json!({ "name": "Ada", "locale": "fr", "timeZone": null }));
}

#[tokio::test]
async fn nothing_is_told_when_nothing_changes() {
    let world = World::new().await;
    let ada = world.person(EMAIL).await;
    for input in [json!({}), json!({ "name": "Ada" }), json!({ "timeZone": null })] {
        update(&world, &ada, input).await;
    }
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_changed() {
    let world = World::new().await;
    let ada = world.person(EMAIL).await;
    let payload = update(&world, &ada, json!({ "name": "", "locale": "x", "timeZone": "x" })).await;
    assert_eq!(payload["user"], Value::Null);
    assert_eq!(
        payload["userErrors"],
        json!([
            { "__typename": "InvalidInputError", "path": ["input", "name"] },
            { "__typename": "InvalidInputError", "path": ["input", "locale"] },
            { "__typename": "InvalidInputError", "path": ["input", "timeZone"] },
        ])
    );
    assert_eq!(world.me(Some(&ada.access)).await["data"]["me"]["name"], "Ada");
}

#[tokio::test]
async fn strangers_change_nothing() {
    let world = World::new().await;
    let mutation = "mutation { updateProfile(input: {}) { user { id } } }";
    let answer = world.post(None, mutation, json!({})).await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED");
    let answer = world.post(Some("nonsense"), mutation, json!({})).await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::new().await;
    let other = world.person(EMAIL).await;
    let ada = world.other_device(EMAIL).await;
    let payload = change_password(&world, &ada, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(payload, json!({ "user": { "id": ada.user }, "userErrors": [] }));

    assert_eq!(refusals(&world.refresh(&other.refresh).await), ["SessionRevokedError"]);
    device(&world.refresh(&ada.refresh).await);
    assert_eq!(refusals(&world.log_in(EMAIL, PASSWORD).await), ["InvalidCredentialsError"]);
    device(&world.log_in(EMAIL, NEW_PASSWORD).await);
}

#[tokio::test]
async fn a_wrong_or_weak_password_changes_nothing() {
    let world = World::new().await;
    let ada = world.person(EMAIL).await;
    for (current, new, kind, field) in [
        ("wrong password", NEW_PASSWORD, "InvalidCredentialsError", "currentPassword"),
        (PASSWORD, "password", "InvalidInputError", "newPassword"),
        (PASSWORD, EMAIL, "InvalidInputError", "newPassword"),
    ] {
        let payload = change_password(&world, &ada, current, new).await;
        assert_eq!(payload["user"], Value::Null);
        assert_eq!(payload["userErrors"], json!([{ "__typename": kind, "path": ["input", field] }]));
    }
    device(&world.log_in(EMAIL, PASSWORD).await);
}
