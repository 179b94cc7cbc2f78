//! Keys of partners, as administrators and partners see them.

use chrono::TimeDelta;
use graphql_kit::Role;
use serde_json::{Value, json};
use user::{
    ApiKeyConfig, Config,
    app::{ApiKeyError, Operator},
    domain::AskedTerms,
};

use crate::support::{Device, World, config, error_code, refusals, terms};

const LIST: &str = "query($account: ID, $after: String) {
    apiKeys(accountId: $account, first: 2, after: $after) {
        totalCount nodes { id name status account { email } } pageInfo { hasNextPage endCursor } } }";

fn wanted(partner: &Device) -> Value {
    json!({
        "accountId": partner.user,
        "name": " Kiosk 1",
        "scopes": ["HOLDS_WRITE", "CATALOG_READ", "HOLDS_WRITE"],
        "ratePerMinute": 60,
        "dailyQuota": 1_000,
        "seatsPerShow": 8,
    })
}

async fn people(world: &World) -> (Device, Device) {
    let admin = world.person_with("admin@example.com", &[Role::Admin]).await;
    let partner = world.person_with("partner@example.com", &[Role::Partner]).await;
    (admin, partner)
}

#[tokio::test]
async fn an_administrator_makes_a_key_and_sees_its_secret_once() {
    let world = World::new().await;
    let (admin, partner) = people(&world).await;
    let created = world.create_key(&admin, wanted(&partner)).await;
    assert_eq!(created["userErrors"], json!([]));
    let (key, secret) = (&created["apiKey"], created["secret"].as_str().unwrap());
    assert!(secret.starts_with(&format!("{}_", key["prefix"].as_str().unwrap())), "{created}");
    assert_eq!(key["scopes"], json!(["CATALOG_READ", "HOLDS_WRITE"]));
    assert_eq!(
        (&key["name"], &key["status"], &key["account"]["id"], &key["lastUsedAt"]),
        (&json!("Kiosk 1"), &json!("ACTIVE"), &json!(partner.user), &Value::Null)
    );
    assert_eq!(key["expiresAt"], "2028-06-01T12:00:00+00:00");

    // What is kept does not give the secret away.
    let rows =
        world.rows("SELECT k::text AS row, octet_length(secret_hash) AS length FROM users.api_keys k").await;
    let row: String = rows[0].try_get("", "row").unwrap();
    assert!(!row.contains(&secret[30..]), "{row}");
    assert_eq!(rows[0].try_get::<i32>("", "length").unwrap(), 32);
}

#[tokio::test]
async fn only_administrators_make_and_revoke_keys() {
    let world = World::new().await;
    let (admin, partner) = people(&world).await;
    let key = world.create_key(&admin, wanted(&partner)).await["apiKey"]["id"].take();
    let others = [
        world.person_with("manager@example.com", &[Role::Manager, Role::Staff]).await,
        partner.clone(),
        world.person("ada@example.com").await,
    ];
    let create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }";
    let revoke = "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { apiKey { id } } }";
    for (mutation, input) in [(create, wanted(&partner)), (revoke, json!({ "id": key }))] {
        for caller in &others {
            let answer = world.post(Some(&caller.access), mutation, json!({ "input": input })).await;
            assert_eq!(error_code(&answer), "FORBIDDEN");
        }
        let answer = world.post(None, mutation, json!({ "input": input })).await;
        assert_eq!(error_code(&answer), "UNAUTHENTICATED");
    }

    // The role counts that the account has now, not the one in the token.
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    operator.grant_role("admin@example.com", Role::Staff).await.unwrap();
    operator.revoke_role("admin@example.com", Role::Admin).await.unwrap();
    let answer = world.post(Some(&admin.access), create, json!({ "input": wanted(&partner) })).await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED", "its sessions have ended");
    assert_eq!(world.rows("SELECT FROM users.api_keys WHERE revoked_at IS NULL").await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_with_reasons() {
    let limited = ApiKeyConfig { per_account: 2, longest_days: 30, ..ApiKeyConfig::default() };
    let world = World::with(Config { api_keys: limited, ..config() }).await;
    let (admin, partner) = people(&world).await;
    let refused = async |change: Value| {
        let mut input = wanted(&partner);
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let payload = world.create_key(&admin, input).await;
        assert_eq!((&payload["apiKey"], &payload["secret"]), (&Value::Null, &Value::Null));
        let of = |error: &Value| (error["__typename"].clone(), error["path"][1].clone());
        let mut refusals: Vec<_> = payload["userErrors"].as_array().unwrap().iter().map(of).collect();
        assert_eq!(refusals.len(), 1, "{payload}");
        let (kind, field) = refusals.remove(0);
        format!("{} {}", kind.as_str().unwrap(), field.as_str().unwrap())
    };
    for (change, expect) in [
        (json!({ "name": "" }), "InvalidInputError name"),
        (json!({ "scopes": [] }), "InvalidInputError scopes"),
        (json!({ "ratePerMinute": 0 }), "InvalidInputError ratePerMinute"),
        (json!({ "seatsPerShow": 1_000_000 }), "InvalidInputError seatsPerShow"),
        (json!({ "expiresAt": "2026-06-01T12:00:00Z" }), "InvalidInputError expiresAt"),
        (json!({ "expiresAt": "2026-07-02T12:00:00Z" }), "InvalidInputError expiresAt"),
        (json!({ "accountId": "user_00000000000000000000000001" }), "NotFoundError accountId"),
        (json!({ "accountId": "Ada" }), "NotFoundError accountId"),
        (json!({ "accountId": admin.user }), "NotAllowedError accountId"),
    ] {
        assert_eq!(refused(change.clone()).await, expect, "{change}");
    }
    for _ in 0..2 {
        assert_eq!(refusals(&world.create_key(&admin, wanted(&partner)).await), [""; 0]);
    }
    assert_eq!(refused(json!({})).await, "LimitExceededError accountId");
    // What has expired is not in the way.
    world.advance(TimeDelta::days(30));
    let admin = world.other_device("admin@example.com").await;
    assert_eq!(refusals(&world.create_key(&admin, wanted(&partner)).await), [""; 0]);
}

#[tokio::test]
async fn a_revoked_key_stays_revoked_at_the_first_time() {
    let world = World::new().await;
    let (admin, partner) = people(&world).await;
    let key = world.create_key(&admin, wanted(&partner)).await["apiKey"]["id"].take();
    let selection = "apiKey { status revokedAt } userErrors { __typename path }";
    let revoke = async |id: &Value| {
        world.mutate(Some(&admin.access), "revokeApiKey", json!({ "id": id }), selection).await
    };
    let first = revoke(&key).await;
    assert_eq!(first["apiKey"], json!({ "status": "REVOKED", "revokedAt": "2026-06-01T12:00:00+00:00" }));
    world.advance(TimeDelta::minutes(1));
    assert_eq!(revoke(&key).await, first);
    for unknown in ["key_00000000000000000000000001", "mk_1"] {
        let payload = revoke(&json!(unknown)).await;
        assert_eq!(refusals(&payload), ["NotFoundError"]);
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "id"]));
    }
}

#[tokio::test]
async fn administrators_see_all_keys_and_partners_their_own() {
    let world = World::new().await;
    let (admin, partner) = people(&world).await;
    let other = world.person_with("other@example.com", &[Role::Partner, Role::Customer]).await;
    for (owner, name) in [(&partner, "one"), (&other, "two"), (&partner, "three")] {
        let mut input = wanted(owner);
        input["name"] = json!(name);
        world.create_key(&admin, input).await;
    }
    let list = async |caller: &Device, account: Option<&str>, after: Option<&str>| {
        let variables = json!({ "account": account, "after": after });
        let answer = world.post(Some(&caller.access), LIST, variables).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        let keys = &answer["data"]["apiKeys"];
        let names: Vec<_> = keys["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap().to_owned())
            .collect();
        (
            names,
            keys["totalCount"].as_i64().unwrap(),
            keys["pageInfo"]["endCursor"].as_str().map(str::to_owned),
        )
    };
    let (names, total, cursor) = list(&admin, None, None).await;
    assert_eq!((names, total), (vec!["three".to_owned(), "two".to_owned()], 3));
    assert_eq!(list(&admin, None, cursor.as_deref()).await.0, ["one"]);
    assert_eq!(list(&admin, Some(&other.user), None).await.0, ["two"]);
    assert_eq!(list(&partner, None, None).await.0, ["three", "one"]);
    assert_eq!(list(&other, Some(&other.user), None).await.0, ["two"]);

    let ada = world.person("ada@example.com").await;
    let foreign = json!({ "account": partner.user });
    for (caller, variables) in [(&other, foreign.clone()), (&ada, foreign), (&ada, json!({}))] {
        let answer = world.post(Some(&caller.access), LIST, variables).await;
        assert_eq!(error_code(&answer), "FORBIDDEN");
    }
}

#[tokio::test]
async fn operators_make_list_and_revoke_keys() {
    let world = World::new().await;
    people(&world).await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    let created = operator.create_api_key("Partner@example.com", terms()).await.unwrap();
    let listed = operator.list_api_keys(Some("partner@example.com"), 10).await.unwrap();
    assert_eq!((listed[0].0.id, listed[0].1.email.as_str()), (created.key.id, "partner@example.com"));
    assert!(operator.list_api_keys(Some("admin@example.com"), 10).await.unwrap().is_empty());
    assert!(operator.revoke_api_key(created.key.id).await.unwrap().revoked_at.is_some());

    let to_admin = operator.create_api_key("admin@example.com", terms()).await;
    assert!(matches!(to_admin, Err(ApiKeyError::NotAPartner)));
    let to_nobody = operator.create_api_key("nobody@example.com", terms()).await;
    assert!(matches!(to_nobody, Err(ApiKeyError::NoSuchAccount)));
    let asked = AskedTerms { daily_quota: 0, ..terms() };
    let invalid = operator.create_api_key("partner@example.com", asked).await.unwrap_err();
    assert_eq!(invalid.to_string(), "the key is not valid: dailyQuota: give a number from 1 to 1000000000");
}
