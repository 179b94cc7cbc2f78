//! Who callers are, by what they send with a request.

use std::time::Duration;

use kernel::error::ErrorCode;
use ntex::http::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use platform::auth::{TokenError, TokenVerifier};
use tokio::time::timeout;

use super::{
    Caller,
    exchange::{KeyExchange, NoToken, PREFIX},
};
use crate::refusal::Refusal;

/// Long enough to fetch the keys once. Whoever waits for others to fetch them in vain is told so.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Who can tell who callers are.
pub(super) struct Identities {
    pub(super) verifier: TokenVerifier,
    pub(super) keys: KeyExchange,
}

impl Identities {
    /// Whom an `Authorization` value names.
    pub(super) async fn of_token(&self, authorization: &str) -> Caller {
        match timeout(PATIENCE, self.verifier.verify(authorization)).await {
            Ok(Ok(claims)) => Caller::from(claims),
            Ok(Err(error)) => Caller::Rejected(error),
            Err(_) => Caller::Rejected(TokenError::KeysUnavailable),
        }
    }

    /// Whom an API key stands for; the headers get its token.
    pub(super) async fn of_key(&self, headers: &mut HeaderMap, key: &str) -> Result<Caller, Refusal> {
        // The key itself goes no further.
        headers.remove(AUTHORIZATION);
        let authorization = match self.keys.authorization(key).await {
            Ok(authorization) => authorization,
            Err(NoToken::Refused) => {
                let message = "The API key is not valid: it is wrong, has expired or was revoked.";
                return Err(Refusal::new(ErrorCode::Unauthenticated, message));
            }
            Err(NoToken::Unavailable) => return Ok(Caller::Rejected(TokenError::KeysUnavailable)),
        };
        if let Ok(value) = HeaderValue::try_from(&*authorization) {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(self.of_token(&authorization).await)
    }
}

/// The value of a header that is there once and is text. Otherwise it is removed: the router would
/// compare and forward such headers differently.
pub(super) fn only(headers: &mut HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name);
    let first = values.next().map(|value| value.to_str().ok().map(str::to_owned));
    let several = values.next().is_some();
    match first? {
        Some(value) if !several => Some(value),
        _ => {
            headers.remove(name);
            None
        }
    }
}

/// The API key in an `Authorization` value.
pub(super) fn api_key(authorization: &str) -> Option<&str> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    let key = credentials.trim();
    (scheme.eq_ignore_ascii_case("bearer") && key.starts_with(PREFIX)).then_some(key)
}
