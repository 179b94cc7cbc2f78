//! Access tokens, as other subgraphs see them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::header::CACHE_CONTROL,
};
use chrono::TimeDelta;
use graphql_kit::{AuthConfig, Caller, Role, TokenVerifier, auth::TokenError};
use kernel::{Clock as _, SharedClock};
use platform::http;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use user::{Config, app::KeyRing};

use crate::support::{SEED, World, config, device, error_code, until};

const OTHER_SEED: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// Serves the subgraph; gives the address of its keys.
async fn serve(world: &World) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, shutdown) = (world.router(), world.shutdown.clone());
    tokio::spawn(async move { http::serve(listener, router, &shutdown).await });
    format!("http://{address}/.well-known/jwks.json")
}

/// Verifies as another subgraph would.
async fn verifier(world: &World) -> TokenVerifier {
    let config = AuthConfig { jwks_url: serve(world).await, ..AuthConfig::default() };
    let clock: SharedClock = Arc::clone(&world.clock) as SharedClock;
    TokenVerifier::new(config, clock).unwrap()
}

async fn published(world: &World) -> Vec<Value> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let response = client.get(serve(world).await).send().await.unwrap();
    assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=300");
    let keys: Value = response.json().await.unwrap();
    keys["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_token_verifies_with_the_published_keys() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let verifier = verifier(&world).await;
    let bearer = format!("Bearer {}", ada.access);

    let claims = verifier.verify(&bearer).await.unwrap();
    let now = world.clock.now().timestamp();
    assert_eq!(claims.sub.to_string(), ada.user);
    assert_eq!(claims.roles, [Role::Customer]);
    assert_eq!((claims.iat, claims.exp), (now, now + 900));
    assert_eq!((&*claims.iss, &*claims.aud), ("marquee", "marquee"));

    // Another token of the same session is another token.
    let next = device(&world.refresh(&ada.refresh).await);
    let next = verifier.verify(&format!("Bearer {}", next.access)).await.unwrap();
    assert_eq!(next.sid, claims.sid);
    assert_ne!(next.jti, claims.jti);

    world.advance(TimeDelta::minutes(15));
    assert_eq!(verifier.verify(&bearer).await, Err(TokenError::Expired));
}

#[tokio::test]
async fn an_altered_token_proves_nothing() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let verifier = verifier(&world).await;
    let (head, signature) = ada.access.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let bob = world.person("bob@example.com").await;
    let foreign_claims = bob.access.split('.').nth(1).unwrap();
    for token in [
        format!("{header}.{foreign_claims}.{signature}"),
        format!("{header}.{claims}."),
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{claims}."),
    ] {
        let caller = verifier.caller(Some(&format!("Bearer {token}"))).await;
        assert!(matches!(caller, Caller::Rejected(TokenError::Invalid)), "{token}: {caller:?}");
    }
}

#[tokio::test]
async fn a_key_can_be_changed_without_refusing_anyone() {
    let old = World::new().await;
    let ada = old.person("ada@example.com").await;
    let keys = published(&old).await;
    let old_key = keys[0]["x"].as_str().unwrap().to_owned();

    let new = old.reconfigured(Config {
        signing_key: OTHER_SEED.into(),
        previous_keys: vec![old_key.clone()],
        ..config()
    });
    let keys = published(&new).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[1]["x"], *old_key);

    let grace = verifier(&new).await;
    assert!(grace.verify(&format!("Bearer {}", ada.access)).await.is_ok());
    let fresh = new.other_device("ada@example.com").await;
    assert!(grace.verify(&format!("Bearer {}", fresh.access)).await.is_ok());

    // Once the old key is withdrawn, its tokens are void: for others and for us.
    let after = old.reconfigured(Config { signing_key: OTHER_SEED.into(), ..config() });
    let strict = verifier(&after).await;
    let refused = strict.verify(&format!("Bearer {}", ada.access)).await;
    assert_eq!(refused, Err(TokenError::Invalid));
    assert!(after.me(Some(&ada.access)).await["errors"].is_array());
    assert!(strict.verify(&format!("Bearer {}", fresh.access)).await.is_ok());
}

/// Serves one configuration after the other at the same address, as a roll-out does.
struct RollOut {
    jwks_url: String,
    present: Arc<Mutex<Router>>,
}

impl RollOut {
    async fn of(world: &World) -> Self {
        let present = Arc::new(Mutex::new(world.router()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let served = Arc::clone(&present);
        let proxy = Router::new().fallback(move |request: Request| {
            let router = served.lock().unwrap().clone();
            router.oneshot(request)
        });
        let shutdown = world.shutdown.clone();
        tokio::spawn(async move { http::serve(listener, proxy, &shutdown).await });
        Self { jwks_url, present }
    }

    fn next(&self, world: &World) {
        *self.present.lock().unwrap() = world.router();
    }
}

#[tokio::test]
async fn whoever_verifies_follows_a_change_of_keys_while_it_runs() {
    let old = World::new().await;
    let roll_out = RollOut::of(&old).await;
    let config_of = AuthConfig { jwks_url: roll_out.jwks_url.clone(), ..AuthConfig::default() };
    let clock: SharedClock = Arc::clone(&old.clock) as SharedClock;
    let verifier = TokenVerifier::new(config_of, clock).unwrap();
    let ada = old.person("ada@example.com").await;
    let ada = format!("Bearer {}", ada.access);
    assert!(verifier.verify(&ada).await.is_ok());

    // First the new key is published, then it signs: its tokens are good from the first one on.
    let seeded = |seed: &str, others: Vec<String>| Config {
        signing_key: seed.into(),
        previous_keys: others,
        ..config()
    };
    let public = |seed: &str| {
        let ring = KeyRing::new(&seed.into(), &[]).unwrap();
        let keys = serde_json::to_value(ring.published()).unwrap();
        keys["keys"][0]["x"].as_str().unwrap().to_owned()
    };
    roll_out.next(&old.reconfigured(seeded(SEED, vec![public(OTHER_SEED)])));
    old.advance(TimeDelta::minutes(5));
    assert!(verifier.verify(&ada).await.is_ok());
    let new = old.reconfigured(seeded(OTHER_SEED, vec![public(SEED)]));
    roll_out.next(&new);
    let fresh = format!("Bearer {}", new.other_device("ada@example.com").await.access);
    assert!(verifier.verify(&fresh).await.is_ok());
    assert!(verifier.verify(&ada).await.is_ok());

    // Five minutes after the old key was withdrawn, nobody takes its tokens any more.
    roll_out.next(&old.reconfigured(seeded(OTHER_SEED, Vec::new())));
    old.advance(TimeDelta::minutes(5));
    assert!(verifier.verify(&fresh).await.is_ok());
    assert_eq!(verifier.verify(&ada).await, Err(TokenError::Invalid));
}

#[tokio::test]
async fn a_key_that_nobody_announced_is_found_within_seconds() {
    let old = World::new().await;
    let roll_out = RollOut::of(&old).await;
    let config_of = AuthConfig { jwks_url: roll_out.jwks_url.clone(), ..AuthConfig::default() };
    let clock: SharedClock = Arc::clone(&old.clock) as SharedClock;
    let verifier = TokenVerifier::new(config_of, clock).unwrap();
    let ada = old.person("ada@example.com").await;
    assert!(verifier.verify(&format!("Bearer {}", ada.access)).await.is_ok());
    let new = old.reconfigured(Config { signing_key: OTHER_SEED.into(), ..config() });
    roll_out.next(&new);
    let fresh = format!("Bearer {}", new.other_device("ada@example.com").await.access);
    // Unknown keys must not make us ask for every token that somebody makes up.
    assert_eq!(verifier.verify(&fresh).await, Err(TokenError::Invalid));
    old.advance(TimeDelta::seconds(5));
    assert!(verifier.verify(&fresh).await.is_ok());
}

/// The same without a connection.
async fn listed(world: &World) -> Vec<Value> {
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    let body = world.router().oneshot(request).await.unwrap().into_body();
    let keys: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    keys["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn keys_of_a_file_are_changed_without_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    let write = |text: String| {
        // As operators should: nobody reads half a file.
        let next = dir.path().join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &file).unwrap();
    };
    write(format!("signing_key = '{SEED}'"));
    let from_file =
        Config { signing_key: "".into(), keys_file: Some(file.clone()), keys_file_every_ms: 10, ..config() };
    let world = World::with(from_file).await;
    let ada = world.person("ada@example.com").await;
    let old = listed(&world).await[0].clone();
    let x = old["x"].as_str().unwrap();

    write(format!("signing_key = '{OTHER_SEED}'\nprevious_keys = ['{x}']"));
    until("the new key signs", async || listed(&world).await[0] != old).await;
    assert_eq!(listed(&world).await[1], old);
    let fresh = world.other_device("ada@example.com").await;
    for token in [&ada.access, &fresh.access] {
        assert!(world.me(Some(token)).await.get("errors").is_none());
    }

    write(format!("signing_key = '{OTHER_SEED}'"));
    until("the old key is withdrawn", async || listed(&world).await.len() == 1).await;
    assert_eq!(error_code(&world.me(Some(&ada.access)).await), "UNAUTHENTICATED");
    assert!(world.me(Some(&fresh.access)).await.get("errors").is_none());
}

#[tokio::test]
async fn a_token_for_someone_else_is_refused() {
    let world = World::new().await;
    let elsewhere =
        world.reconfigured(Config { signing_key: SEED.into(), audience: "elsewhere".to_owned(), ..config() });
    let ada = elsewhere.person("ada@example.com").await;
    assert!(elsewhere.me(Some(&ada.access)).await.get("errors").is_none());
    let answer = world.me(Some(&ada.access)).await;
    assert_eq!(error_code(&answer), "UNAUTHENTICATED");
}
