//! Who makes access tokens: publishes its keys, and exchanges API keys, as the user subgraph does.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use gateway::Config;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::{ApiKeyId, IdSource, SessionId, SharedClock, SystemIds, UserId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Makes tokens.
pub struct Issuer {
    pub address: SocketAddr,
    clock: SharedClock,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The published keys; the last one signs.
    keys: Mutex<Vec<SigningKey>>,
    /// Claims by API key.
    partners: Mutex<HashMap<String, Value>>,
    exchanges: AtomicUsize,
    away: AtomicBool,
    clock: Mutex<Option<SharedClock>>,
}

impl Issuer {
    pub async fn start(clock: SharedClock) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.clock.lock().unwrap() = Some(Arc::clone(&clock));
        let routes = Router::new()
            .route("/.well-known/jwks.json", get(published))
            .route("/oauth/token", post(exchange))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let issuer = Self { address, clock, shared };
        issuer.rotate();
        issuer
    }

    /// Lets a gateway take its tokens.
    pub fn configure(&self, config: &mut Config) {
        config.auth.jwks_url = format!("http://{}/.well-known/jwks.json", self.address);
        config.auth.token_url = format!("http://{}/oauth/token", self.address).parse().unwrap();
    }

    /// Signs with a new key from now on; the old ones stay published.
    pub fn rotate(&self) {
        let mut seed = [0; 32];
        SystemIds.fill(&mut seed);
        self.shared.keys.lock().unwrap().push(SigningKey::from_bytes(&seed));
    }

    /// Publishes no key but the newest.
    pub fn withdraw(&self) {
        let mut keys = self.shared.keys.lock().unwrap();
        let newest = keys.pop().unwrap();
        *keys = vec![newest];
    }

    /// Answers nothing but 503.
    pub fn away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    /// How often an API key was exchanged.
    pub fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::SeqCst)
    }

    /// The token of a person, for so many seconds.
    pub fn person(&self, number: u128, roles: &[&str], seconds: i64) -> String {
        let now = self.clock.now().timestamp();
        self.shared.sign(&json!({
            "sub": UserId::from_uuid(Uuid::from_u128(number)),
            "sid": SessionId::from_uuid(Uuid::from_u128(number)),
            "roles": roles, "iss": "marquee", "aud": "marquee",
            "iat": now, "exp": now + seconds, "jti": SystemIds.uuid(),
        }))
    }

    /// An API key, whose tokens say what `limits` says.
    pub fn partner(&self, scope: &str, limits: Value) -> String {
        let id = ApiKeyId::from_uuid(SystemIds.uuid());
        let key = format!("mk_{}_secret", id.to_string().trim_start_matches("key_"));
        let claims = json!({ "client_id": id, "scope": scope, "partner": limits });
        self.shared.partners.lock().unwrap().insert(key.clone(), claims);
        key
    }

    /// Forgets an API key.
    pub fn revoke(&self, key: &str) {
        self.shared.partners.lock().unwrap().remove(key);
    }
}

impl Shared {
    fn sign(&self, claims: &Value) -> String {
        let keys = self.keys.lock().unwrap();
        let key = keys.last().unwrap();
        let header = Header { kid: Some(id(key)), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes());
        encode(&header, claims, &key).unwrap()
    }
}

fn id(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(&key.verifying_key().as_bytes()[..8])
}

async fn published(State(shared): State<Arc<Shared>>) -> Response {
    if shared.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let key = |key: &SigningKey| {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id(key), "x": x })
    };
    let keys: Vec<_> = shared.keys.lock().unwrap().iter().map(key).collect();
    Json(json!({ "keys": keys })).into_response()
}

async fn exchange(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    shared.exchanges.fetch_add(1, Ordering::SeqCst);
    if shared.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let partner = shared.partners.lock().unwrap().get(&form["client_secret"]).cloned();
    let Some(mut claims) = partner else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    };
    let now = shared.clock.lock().unwrap().as_ref().unwrap().now().timestamp();
    let number = Uuid::from_u128(99);
    claims.as_object_mut().unwrap().extend(
        json!({
            "sub": UserId::from_uuid(number), "sid": SessionId::from_uuid(number),
            "roles": [], "iss": "marquee", "aud": "marquee",
            "iat": now, "exp": now + 300, "jti": SystemIds.uuid(),
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    let answer = json!({
        "access_token": shared.sign(&claims), "token_type": "Bearer", "expires_in": 300,
        // For tests of what was passed on.
        "cookie": headers.get("cookie").map(|cookie| cookie.to_str().unwrap()),
    });
    ([("cache-control", "no-store")], Json(answer)).into_response()
}
