//! Tokens for API keys: the client credentials grant (RFC 6749, section 4.4).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use graphql_kit::{Claims, Role, Scope};
use kernel::{ApiKeyId, Id};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use uuid::fmt::Simple;

use super::{App, Fault};
use crate::{
    domain::{ApiKey, KeyStatus, TokenRefusal, TokenRequest, api_key},
    store,
};

/// A token for an API key.
#[derive(Debug)]
pub struct ClientToken {
    /// Goes into the `Authorization` header after `Bearer `.
    pub access_token: String,
    /// For how many seconds it is valid.
    pub expires_in: i64,
    /// What it may be used for, separated by spaces.
    pub scope: String,
}

/// Why there is no token.
#[derive(Debug)]
pub enum NoToken {
    /// The request is at fault.
    Refused(TokenRefusal),
    /// It came too soon after others; nothing is wrong with it otherwise.
    TooMany {
        /// The next one has a chance after this time.
        retry_after: Duration,
    },
    /// Not expected.
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for NoToken {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl From<TokenRefusal> for NoToken {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How many tokens keys get, and how many are asked for at once.
///
/// A secret cannot be guessed, so what is bounded here is work. Only who has proved to hold a key
/// counts against its tokens: nobody can keep a partner out by asking in its name.
pub(super) struct Pace {
    windows: Cache<ApiKeyId, Arc<Mutex<Window>>>,
    turns: Semaphore,
}

#[derive(Clone, Copy)]
struct Window {
    start: DateTime<Utc>,
    tokens: u32,
}

const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// More than this at once wait neither for the database nor for each other.
const AT_ONCE: usize = 64;
const BUSY: Duration = Duration::from_secs(1);

impl Pace {
    pub fn new() -> Self {
        Self {
            windows: Cache::builder().max_capacity(10_000).time_to_idle(Duration::from_mins(2)).build(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Counts a token for `key`, unless it had `most` in this minute.
    fn count(&self, key: ApiKeyId, most: u32, now: DateTime<Utc>) -> Result<(), NoToken> {
        let window = self.windows.get_with(key, || Arc::new(Mutex::new(Window { start: now, tokens: 0 })));
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now - window.start >= WINDOW {
            *window = Window { start: now, tokens: 0 };
        }
        if window.tokens >= most {
            let left = (window.start + WINDOW - now).to_std().unwrap_or_default();
            return Err(NoToken::TooMany { retry_after: left.max(BUSY) });
        }
        window.tokens += 1;
        Ok(())
    }
}

impl App {
    /// A token for the holder of an API key.
    ///
    /// Whether the key is unknown, expired, revoked, or its account no partner any more, is
    /// answered alike.
    ///
    /// # Errors
    /// [`NoToken`].
    pub async fn client_token(&self, request: TokenRequest) -> Result<ClientToken, NoToken> {
        let outcome = self.try_client_token(request).await;
        let label = match &outcome {
            Ok(_) => "success",
            Err(NoToken::Refused(_)) => "refused",
            Err(NoToken::TooMany { .. }) => "throttled",
            Err(NoToken::Fault(_)) => "fault",
        };
        metrics::counter!("user_client_tokens_total", "outcome" => label).increment(1);
        outcome
    }

    async fn try_client_token(&self, request: TokenRequest) -> Result<ClientToken, NoToken> {
        let _turn = self.pace.turns.try_acquire().map_err(|_| NoToken::TooMany { retry_after: BUSY })?;
        let now = self.clock.now();
        let TokenRequest { credentials, scope } = request;
        let (key, hash) = store::api_key::api_key_with_hash(&self.pg, credentials.id)
            .await?
            .ok_or(TokenRefusal::InvalidClient)?;
        if !hash.is(&credentials.secret.hash()) || key.status(now) != KeyStatus::Active {
            return Err(TokenRefusal::InvalidClient.into());
        }
        let scopes =
            api_key::narrow(&key.terms.scopes, scope.as_deref()).ok_or(TokenRefusal::InvalidScope)?;
        self.pace.count(key.id, self.config.api_keys.tokens_per_minute, now)?;
        let owner = store::account::account_by_id(&self.pg, key.account).await?;
        if !owner.is_some_and(|owner| owner.roles.contains(&Role::Partner)) {
            return Err(TokenRefusal::InvalidClient.into());
        }
        if key.is_use_news(now) {
            store::api_key::api_key_touch(&self.pg, key.id, now).await?;
        }
        let ttl = TimeDelta::seconds(self.config.api_keys.token_ttl_seconds.into());
        let expires_at = key.terms.expires_at.min(now + ttl);
        let scope = Scope::join(&scopes);
        let access_token =
            self.keys.ring().sign(&self.client_claims(&key, scope.clone(), now, expires_at))?;
        Ok(ClientToken { access_token, expires_in: expires_at.timestamp() - now.timestamp(), scope })
    }

    fn client_claims(
        &self,
        key: &ApiKey,
        scope: String,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Claims {
        Claims {
            sub: key.account,
            sid: Id::from_uuid(key.id.uuid()),
            roles: Vec::new(),
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            exp: expires_at.timestamp(),
            iat: now.timestamp(),
            jti: Simple::from_uuid(self.ids.uuid()).to_string(),
            scope: Some(scope),
            client_id: Some(key.id),
            partner: Some(key.terms.limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_gets_so_many_tokens_in_a_minute_and_others_do_not_matter() {
        let (pace, start) = (Pace::new(), DateTime::UNIX_EPOCH);
        let key = |id| Id::from_uuid(Uuid::from_u128(id));
        let at = |seconds| start + TimeDelta::seconds(seconds);
        assert!(pace.count(key(1), 2, at(0)).is_ok());
        assert!(pace.count(key(1), 2, at(30)).is_ok());
        let Err(NoToken::TooMany { retry_after }) = pace.count(key(1), 2, at(45)) else {
            panic!("a third token");
        };
        assert_eq!(retry_after, Duration::from_secs(15));
        assert!(pace.count(key(2), 2, at(45)).is_ok());
        assert!(pace.count(key(1), 2, at(60)).is_ok());
    }
}
