//! People with access tokens, as many as are needed.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use ed25519_dalek::{Signer, SigningKey};
use kernel::{Clock, IdSource, SessionId, SystemClock, SystemIds, UserId};
use serde_json::json;

use super::config::TOKEN_SEED;
use crate::load::{Connection, get};

/// Longer than any run.
const TOKEN_LIFE_SECONDS: i64 = 6 * 60 * 60;

/// Somebody who can buy.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account.
    pub id: UserId,
    /// An access token.
    pub token: String,
}

/// Makes people. Their tokens are signed with the platform's key, so that signing up thousands is
/// not what a run is about.
#[derive(Debug)]
pub struct People {
    key: SigningKey,
    key_id: String,
}

impl People {
    /// Nobody yet.
    pub fn new() -> Self {
        Self { key: SigningKey::from_bytes(TOKEN_SEED), key_id: String::new() }
    }

    /// Learns how the platform calls its key.
    ///
    /// # Errors
    /// When the user subgraph does not say it.
    pub async fn read_key_id(&mut self, user: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(user).await?;
        let keys = connection.call(&get("/.well-known/jwks.json")).await?.json()?;
        let id = keys["keys"][0]["kid"].as_str().context("no key is published")?;
        id.clone_into(&mut self.key_id);
        Ok(())
    }

    /// Somebody new.
    pub fn somebody(&self) -> Person {
        self.named(UserId::from_uuid(SystemIds.uuid()))
    }

    /// Somebody with this account.
    pub fn named(&self, id: UserId) -> Person {
        let now = SystemClock.now().with_timezone(&Utc).timestamp();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "sub": id,
            "sid": SessionId::from_uuid(id.uuid()),
            "roles": ["CUSTOMER"],
            "iss": "marquee",
            "aud": "marquee",
            "iat": now,
            "exp": now + TOKEN_LIFE_SECONDS,
            "jti": id.to_string(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes());
        Person { id, token: format!("{signed}.{signature}") }
    }
}
