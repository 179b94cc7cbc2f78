//! Verifying access tokens against the published keys.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use garde::Validate;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use kernel::{ErrorCode, SharedClock};
use moka::sync::Cache;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{claims::Claims, identity::Caller};

/// Where the keys are, and what a token must say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Address of the published keys (a JSON Web Key Set, RFC 7517).
    #[garde(url)]
    pub jwks_url: String,
    /// The `iss` that a token must have.
    #[garde(length(min = 1))]
    pub issuer: String,
    /// The `aud` that a token must have.
    #[garde(length(min = 1))]
    pub audience: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            jwks_url: "http://127.0.0.1:4003/.well-known/jwks.json".to_owned(),
            issuer: "marquee".to_owned(),
            audience: "marquee".to_owned(),
        }
    }
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not `Bearer`, not a JWT, a wrong signature, another issuer or audience.
    #[error("the access token is not valid; log in again")]
    Invalid,
    /// It was valid once.
    #[error("the access token has expired; refresh the session")]
    Expired,
    /// Nobody can tell: the keys cannot be had.
    #[error("access tokens cannot be checked right now; try again shortly")]
    KeysUnavailable,
}

impl TokenError {
    /// The code of a top-level error for this.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Invalid | Self::Expired => ErrorCode::Unauthenticated,
            Self::KeysUnavailable => ErrorCode::Unavailable,
        }
    }
}

/// Unknown key ids make us ask for the keys again, but not more often than this.
const REFETCH_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Keys are asked for anew after this time, so that a withdrawn key loses its power.
const KEYS_LIVE: TimeDelta = TimeDelta::minutes(5);
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
const CACHED_TOKENS: u64 = 100_000;

/// Verifies access tokens. Cheap to clone.
#[derive(Clone)]
pub struct TokenVerifier(Arc<Inner>);

struct Inner {
    config: AuthConfig,
    clock: SharedClock,
    source: KeySource,
    keys: RwLock<Keys>,
    fetching: Mutex<()>,
    /// Tokens that were verified with the present keys.
    verified: Cache<String, Arc<Claims>>,
}

enum KeySource {
    Url(reqwest::Client),
    Fixed,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    asked_at: Option<DateTime<Utc>>,
    fetched_at: Option<DateTime<Utc>>,
}

impl TokenVerifier {
    /// A verifier that fetches the keys from `config.jwks_url` when it needs them.
    ///
    /// # Errors
    /// When the HTTP client cannot be made (no TLS roots on the machine).
    pub fn new(config: AuthConfig, clock: SharedClock) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
        Ok(Self::with_source(config, clock, KeySource::Url(client), Keys::default()))
    }

    /// A verifier with known keys, for the subgraph that makes the tokens.
    pub fn fixed(config: AuthConfig, clock: SharedClock, keys: &JwkSet) -> Self {
        let keys = Keys { by_id: decoding_keys(keys), ..Keys::default() };
        Self::with_source(config, clock, KeySource::Fixed, keys)
    }

    fn with_source(config: AuthConfig, clock: SharedClock, source: KeySource, keys: Keys) -> Self {
        let verified =
            Cache::builder().max_capacity(CACHED_TOKENS).time_to_live(Duration::from_mins(5)).build();
        let keys = RwLock::new(keys);
        Self(Arc::new(Inner { config, clock, source, keys, fetching: Mutex::new(()), verified }))
    }

    /// Whether the two are one.
    #[cfg(test)]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// From now on these are the known keys, for a verifier that was made with [`fixed`](Self::fixed).
    pub fn replace(&self, keys: &JwkSet) {
        let mut known = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        known.by_id = decoding_keys(keys);
        // Tokens of a withdrawn key must not live on here.
        self.0.verified.invalidate_all();
    }

    /// Who sent this `Authorization` value (`Bearer …`).
    pub async fn caller(&self, authorization: Option<&str>) -> Caller {
        let Some(authorization) = authorization else { return Caller::Anonymous };
        match self.verify(authorization).await {
            Ok(claims) => Caller::User(claims.identity()),
            Err(error) => Caller::Rejected(error),
        }
    }

    /// What the token in this `Authorization` value says, when it is valid now.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, authorization: &str) -> Result<Arc<Claims>, TokenError> {
        let token = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(TokenError::Invalid)?;
        let mut known = self.0.verified.get(token);
        if known.is_some() && self.0.renew_keys().await {
            known = None;
        }
        let claims = match known {
            Some(claims) => {
                count("hit");
                claims
            }
            None => {
                count("miss");
                let claims = Arc::new(self.0.check(token).await?);
                self.0.verified.insert(token.to_owned(), Arc::clone(&claims));
                claims
            }
        };
        if claims.exp <= self.0.clock.now().timestamp() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

fn count(result: &'static str) {
    metrics::counter!("cache_requests_total", "cache" => "tokens", "result" => result).increment(1);
}

impl Inner {
    async fn check(&self, token: &str) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.alg != Algorithm::EdDSA || !header.typ.as_deref().is_none_or(is_access_token) {
            return Err(TokenError::Invalid);
        }
        let key = self.key(&header.kid.ok_or(TokenError::Invalid)?).await?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        // The library would ask the system clock; `verify` asks ours.
        validation.validate_exp = false;
        decode::<Claims>(token, &key, &validation).map(|data| data.claims).map_err(|_| TokenError::Invalid)
    }

    async fn key(&self, id: &str) -> Result<DecodingKey, TokenError> {
        let KeySource::Url(client) = &self.source else {
            return self.known_key(id).ok_or(TokenError::Invalid);
        };
        if let Some(key) = self.known_key(id).filter(|_| self.keys_are_fresh()) {
            return Ok(key);
        }
        // One asks, the rest wait and then find the answer.
        let _turn = self.fetching.lock().await;
        if self.may_ask() {
            self.fetch(client).await;
        }
        match self.known_key(id) {
            Some(key) => Ok(key),
            None if self.keys_are_fresh() => Err(TokenError::Invalid),
            None => Err(TokenError::KeysUnavailable),
        }
    }

    /// Asks for the keys anew when it is time, and tells whether it did: then tokens that were
    /// verified before have to be verified again. One asks; the others go on meanwhile.
    async fn renew_keys(&self) -> bool {
        let KeySource::Url(client) = &self.source else { return false };
        if self.keys_are_fresh() {
            return false;
        }
        let Ok(_turn) = self.fetching.try_lock() else { return false };
        if !self.may_ask() {
            return false;
        }
        self.fetch(client).await;
        self.keys_are_fresh()
    }

    fn read<T>(&self, read: impl FnOnce(&Keys) -> T) -> T {
        read(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn known_key(&self, id: &str) -> Option<DecodingKey> {
        self.read(|keys| keys.by_id.get(id).cloned())
    }

    fn keys_are_fresh(&self) -> bool {
        let now = self.clock.now();
        self.read(|keys| keys.fetched_at.is_some_and(|at| now - at < KEYS_LIVE))
    }

    fn may_ask(&self) -> bool {
        let now = self.clock.now();
        self.read(|keys| {
            keys.fetched_at.is_none() || keys.asked_at.is_none_or(|at| now - at >= REFETCH_AFTER)
        })
    }

    async fn fetch(&self, client: &reqwest::Client) {
        let now = self.clock.now();
        let answer =
            async { client.get(&self.config.jwks_url).send().await?.error_for_status()?.json().await };
        let answer: Result<JwkSet, reqwest::Error> = answer.await;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.asked_at = Some(now);
        match answer {
            Ok(set) => {
                keys.by_id = decoding_keys(&set);
                keys.fetched_at = Some(now);
                // Tokens of a withdrawn key must not live on here.
                self.verified.invalidate_all();
            }
            Err(error) => {
                // The keys that we have stay good: the user role may be down for a moment.
                tracing::warn!(%error, url = %self.config.jwks_url, "cannot fetch the keys for access tokens");
            }
        }
    }
}

/// Whether a JWT of this type may be an access token: `at+jwt` (RFC 9068), or the plain `JWT` that
/// persons' tokens have had from the beginning. Anything else was signed for another purpose.
fn is_access_token(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

fn decoding_keys(set: &JwkSet) -> HashMap<String, DecodingKey> {
    set.keys
        .iter()
        .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use kernel::{Clock, Id, ManualClock};

    use super::{super::role::Role, *};

    fn verifier(clock: Arc<ManualClock>, url: String) -> TokenVerifier {
        TokenVerifier::new(AuthConfig { jwks_url: url, ..AuthConfig::default() }, clock).unwrap()
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused_without_asking_for_keys() {
        let clock = Arc::new(ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap()));
        let verifier = verifier(clock, "http://127.0.0.1:1/".to_owned());
        for text in ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c"] {
            assert_eq!(verifier.verify(text).await, Err(TokenError::Invalid), "{text}");
        }
        assert!(verifier.caller(None).await.user().is_none());
    }

    #[tokio::test]
    async fn absent_keys_are_our_fault_and_not_the_callers() {
        let clock = Arc::new(ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap()));
        let claims = Claims {
            sub: Id::from_uuid(Default::default()),
            sid: Id::from_uuid(Default::default()),
            roles: vec![Role::Customer],
            iss: "marquee".to_owned(),
            aud: "marquee".to_owned(),
            exp: clock.now().timestamp() + 60,
            iat: clock.now().timestamp(),
            jti: String::new(),
            scope: None,
            client_id: None,
            partner: None,
        };
        // Any well-formed EdDSA token will do: it is never checked.
        let part = |json: String| {
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
            URL_SAFE_NO_PAD.encode(json)
        };
        let header = part(r#"{"alg":"EdDSA","kid":"k"}"#.to_owned());
        let token = format!(
            "Bearer {header}.{}.{}",
            part(serde_json::to_string(&claims).unwrap()),
            part("s".to_owned())
        );
        let verifier = verifier(clock, "http://127.0.0.1:1/".to_owned());
        assert_eq!(verifier.verify(&token).await, Err(TokenError::KeysUnavailable));
        assert_eq!(TokenError::KeysUnavailable.code(), ErrorCode::Unavailable);
    }
}
