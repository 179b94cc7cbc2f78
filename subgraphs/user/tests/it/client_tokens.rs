//! Tokens for API keys: RFC 6749, section 4.4.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use graphql_kit::{Caller, Role, Scope, TokenVerifier};
use kernel::{Clock as _, SharedClock};
use serde_json::{Value, json};
use user::{ApiKeyConfig, Config, app::Operator, domain::AskedTerms};

use crate::support::{SEED, World, config, error_code, terms};

const GRANT: &str = "grant_type=client_credentials";
const PARTNER: &str = "partner@example.com";

async fn with_partner(config: Config) -> World {
    let world = World::with(config).await;
    world.person_with(PARTNER, &[Role::Partner, Role::Admin]).await;
    world
}

fn form(key: &(String, String)) -> String {
    format!("{GRANT}&client_id={}&client_secret={}", key.0, key.1)
}

/// Who the holder of this token is for others.
async fn caller(world: &World, token: &Value) -> Caller {
    let seed = user::app::KeyRing::new(&SEED.into(), &[]).unwrap();
    let clock: SharedClock = world.clock.clone();
    let verifier = TokenVerifier::fixed(graphql_kit::AuthConfig::default(), clock, seed.published());
    verifier.caller(Some(&format!("Bearer {}", token.as_str().unwrap()))).await
}

#[tokio::test]
async fn a_key_gives_a_short_token_that_may_what_the_key_may() {
    let world = with_partner(config()).await;
    let key = world.key(PARTNER).await;
    let (status, headers, body) = world.token(None, &form(&key)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["pragma"], "no-cache");
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(300), &json!("catalog:read seats:watch holds:write bookings:write"))
    );
    let header = jsonwebtoken::decode_header(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));

    let Caller::User(identity) = caller(&world, &body["access_token"]).await else { panic!("no caller") };
    assert!(identity.roles.is_empty(), "an administrator's key is no administrator");
    let grant = identity.grant.unwrap();
    assert_eq!(grant.key.to_string(), key.0);
    assert_eq!(grant.scopes, Scope::ALL.into());
    assert_eq!((grant.rate_per_minute, grant.daily_quota, grant.seats_per_show), (600, 10_000, 8));

    world.advance(TimeDelta::minutes(5));
    assert!(caller(&world, &body["access_token"]).await.user().is_none());
}

#[tokio::test]
async fn the_key_may_come_by_http_basic_and_ask_for_less() {
    let world = with_partner(config()).await;
    let (id, key) = world.key(PARTNER).await;
    let basic =
        |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    for authorization in [basic(&id, &key), basic(&id, &key[30..]), basic(&key[..29], &key)] {
        let (status, _, body) =
            world.token(Some(&authorization), &format!("{GRANT}&scope=holds%3Awrite")).await;
        assert_eq!((status, &body["scope"]), (StatusCode::OK, &json!("holds:write")));
        let Caller::User(identity) = caller(&world, &body["access_token"]).await else { panic!("no caller") };
        assert_eq!(identity.grant.unwrap().scopes, [Scope::HoldsWrite].into());
    }
}

#[tokio::test]
async fn refusals_are_those_of_the_rfc() {
    let world = with_partner(config()).await;
    let (id, key) = world.key(PARTNER).await;
    let read_only = AskedTerms { scopes: [Scope::CatalogRead].into(), ..terms() };
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    let other = operator.create_api_key(PARTNER, read_only).await.unwrap().key.id;
    let credentials = format!("client_id={id}&client_secret={key}");
    let altered = format!("{}A{}", &key[..40], &key[41..]);
    for (form, status, code) in [
        (credentials.clone(), 400, "invalid_request"),
        (format!("{GRANT}&{GRANT}&{credentials}"), 400, "invalid_request"),
        (format!("{GRANT}&{credentials}&x={}", "y".repeat(10_000)), 400, "invalid_request"),
        (format!("grant_type=authorization_code&{credentials}"), 400, "unsupported_grant_type"),
        (format!("{GRANT}&{credentials}&scope=catalog:read+role:admin"), 400, "invalid_scope"),
        (GRANT.to_owned(), 401, "invalid_client"),
        (format!("{GRANT}&client_id={id}&client_secret={altered}"), 401, "invalid_client"),
        (format!("{GRANT}&client_id={other}&client_secret={}", &key[30..]), 401, "invalid_client"),
        (
            format!("{GRANT}&client_id=key_00000000000000000000000001&client_secret={}", &key[30..]),
            401,
            "invalid_client",
        ),
    ] {
        let (got, headers, body) = world.token(None, &form).await;
        assert_eq!((got.as_u16(), &body["error"]), (status, &json!(code)), "{form}: {body}");
        assert!(body["error_description"].is_string());
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers.contains_key("www-authenticate"), status == 401);
    }
}

#[tokio::test]
async fn a_key_that_is_void_gives_nothing() {
    let world = with_partner(config()).await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    let refused = async |key: &(String, String)| {
        let (status, _, body) = world.token(None, &form(key)).await;
        status == StatusCode::UNAUTHORIZED && body["error"] == "invalid_client"
    };
    let revoked = world.key(PARTNER).await;
    assert!(!refused(&revoked).await);
    operator.revoke_api_key(revoked.0.parse().unwrap()).await.unwrap();
    assert!(refused(&revoked).await);

    let key = world.key(PARTNER).await;
    assert!(!refused(&key).await);
    operator.revoke_role(PARTNER, Role::Partner).await.unwrap();
    assert!(refused(&key).await, "keys are for partners");
    operator.grant_role(PARTNER, Role::Partner).await.unwrap();
    assert!(!refused(&key).await);

    // Its last token does not outlive it.
    world.advance(TimeDelta::days(731) - TimeDelta::seconds(90));
    let (_, _, body) = world.token(None, &form(&key)).await;
    assert_eq!(body["expires_in"], 90);
    world.advance(TimeDelta::seconds(90));
    assert!(refused(&key).await);
}

#[tokio::test]
async fn a_key_gets_so_many_tokens_in_a_minute_whoever_else_asks_in_its_name() {
    let slow = ApiKeyConfig { tokens_per_minute: 2, ..ApiKeyConfig::default() };
    let world = with_partner(Config { api_keys: slow, ..config() }).await;
    let key = world.key(PARTNER).await;
    let wrong = (key.0.clone(), format!("{}{}", &key.1[..30], "A".repeat(43)));
    for _ in 0..5 {
        assert_eq!(world.token(None, &form(&wrong)).await.0, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..2 {
        assert_eq!(world.token(None, &form(&key)).await.0, StatusCode::OK);
    }
    world.advance(TimeDelta::seconds(20));
    let (status, headers, body) = world.token(None, &form(&key)).await;
    assert_eq!((status, &body["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("temporarily_unavailable")));
    assert_eq!(headers["retry-after"], "40");
    world.advance(TimeDelta::seconds(40));
    assert_eq!(world.token(None, &form(&key)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_last_use_is_known_to_the_hour() {
    let world = with_partner(config()).await;
    let key = world.key(PARTNER).await;
    let last = async || {
        let rows = world.rows("SELECT last_used_at FROM users.api_keys").await;
        rows[0].try_get::<Option<chrono::DateTime<chrono::Utc>>>("", "last_used_at").unwrap()
    };
    assert_eq!(last().await, None);
    let start = world.clock.now();
    for (minutes, expect) in [(0, start), (59, start), (1, start + TimeDelta::hours(1))] {
        world.advance(TimeDelta::minutes(minutes));
        world.token(None, &form(&key)).await;
        assert_eq!(last().await, Some(expect));
    }
}

#[tokio::test]
async fn an_account_is_none_of_a_keys_business() {
    let world = with_partner(config()).await;
    let key = world.key(PARTNER).await;
    let token = world.token(None, &form(&key)).await.2["access_token"].take();
    let token = token.as_str();
    for query in [
        "{ me { email } }",
        "{ apiKeys { totalCount } }",
        "mutation { updateProfile(input: { name: \"Eve\" }) { user { id } } }",
        "mutation { logOutEverywhere(input: {}) { userErrors { code } } }",
        "mutation { logOut { loggedOut } }",
        "mutation { logIn(input: { email: \"ada@example.com\", password: \"guessed\" }) { userErrors { code } } }",
        "mutation { refreshSession(input: { refreshToken: \"guessed\" }) { userErrors { code } } }",
        "mutation { revokeApiKey(input: { id: \"key_1\" }) { userErrors { code } } }",
    ] {
        let answer = world.post(token, query, json!({})).await;
        assert_eq!(error_code(&answer), "FORBIDDEN", "{query}: {answer}");
    }
    // Nor does the gateway learn anything of it.
    let id = world.other_device(PARTNER).await.user;
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { email } } }";
    let answer = world.post(token, query, json!({ "r": [{ "__typename": "User", "id": id }] })).await;
    assert_eq!(answer["data"]["_entities"], json!([null]));
}
