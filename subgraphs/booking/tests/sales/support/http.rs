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
use kernel::{Clock as _, IdSource as _, SessionId, SystemIds, UserId};
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
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {}", self.token(user, roles)));
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
    }

    fn token(&self, user: UserId, roles: &[&str]) -> String {
        let now = self.clock.now().timestamp();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "test" })),
            part(json!({
                "sub": user, "sid": SessionId::from_uuid(SystemIds.uuid()), "roles": roles,
                "iss": "marquee", "aud": "marquee", "iat": now, "exp": now + 900,
                "jti": SystemIds.uuid().to_string(),
            }))
        );
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
