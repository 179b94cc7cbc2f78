//! Requests to the subgraph: GraphQL by people, webhooks by the provider.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use booking::app::App;
use booking::domain::signature;
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signer as _, SigningKey};
use graphql_kit::{AuthConfig, TokenVerifier};
use kernel::{ApiKeyId, Clock as _, IdSource as _, SessionId, SystemIds, UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::World;
use crate::provider::WEBHOOK_SECRET;

const TOKEN_SEED: [u8; 32] = [5; 32];

impl World {
    /// Posts a webhook as the provider does; it must be accepted.
    pub async fn webhook(&self, body: &Value) {
        assert_eq!(self.webhook_at(body, self.clock.now(), WEBHOOK_SECRET).await, StatusCode::OK);
    }

    pub async fn webhook_at(&self, body: &Value, at: DateTime<Utc>, secret: &str) -> StatusCode {
        let body = body.to_string();
        let header = signature::sign(secret.as_bytes(), at.timestamp(), body.as_bytes()).unwrap();
        self.webhook_raw(Some(&header), body).await
    }

    pub async fn webhook_raw(&self, signature: Option<&str>, body: String) -> StatusCode {
        let mut request = Request::post("/webhooks/stripe");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let request = request.body(Body::from(body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Posts an operation as `user` and returns the whole answer.
    pub async fn post(&self, user: Option<UserId>, query: &str, variables: Value) -> Value {
        self.post_as(user, &["CUSTOMER"], query, variables).await
    }

    pub async fn post_as(
        &self,
        user: Option<UserId>,
        roles: &[&str],
        query: &str,
        variables: Value,
    ) -> Value {
        let claims = user.map(|user| json!({ "sub": user, "roles": roles }));
        self.post_claiming(claims, query, variables).await
    }

    /// Posts an operation as an API key of this account.
    pub async fn post_by_key(
        &self,
        account: UserId,
        scope: &str,
        seats_per_show: u32,
        query: &str,
        variables: Value,
    ) -> Value {
        let claims = json!({
            "sub": account, "roles": ["ADMIN"], "scope": scope,
            "client_id": ApiKeyId::from_uuid(SystemIds.uuid()),
            "partner": { "rate_per_minute": 60, "daily_quota": 1_000, "seats_per_show": seats_per_show },
        });
        self.post_claiming(Some(claims), query, variables).await
    }

    async fn post_claiming(&self, claims: Option<Value>, query: &str, variables: Value) -> Value {
        let token = claims.map(|claims| self.token(claims));
        let body = json!({ "query": query, "variables": variables }).to_string();
        let (status, answer) = self.post_raw(token, body).await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_str(&answer).unwrap()
    }

    /// Posts anything to `/graphql`.
    pub async fn post_raw(&self, token: Option<String>, body: String) -> (StatusCode, String) {
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(answer.to_vec()).unwrap())
    }

    fn token(&self, who: Value) -> String {
        let now = self.clock.now().timestamp();
        let mut claims = json!({
            "sid": SessionId::from_uuid(SystemIds.uuid()), "iss": "marquee", "aud": "marquee",
            "iat": now, "exp": now + 900, "jti": SystemIds.uuid().to_string(),
        });
        claims.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed =
            format!("{}.{}", part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "test" })), part(claims));
        let signature = SigningKey::from_bytes(&TOKEN_SEED).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// Believes the tokens of the tests.
pub fn verifier(app: &App) -> TokenVerifier {
    let key = SigningKey::from_bytes(&TOKEN_SEED).verifying_key();
    let keys = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test",
        "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    }] });
    let keys = serde_json::from_value(keys).unwrap();
    TokenVerifier::fixed(AuthConfig::default(), app.deps.clock.clone(), &keys)
}
