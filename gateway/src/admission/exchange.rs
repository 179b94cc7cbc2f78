//! API keys become access tokens, so that subgraphs know tokens only. A token that was got for a key
//! is used for a minute and then asked for anew: a key that was revoked works for a minute at most.
//! While nobody can tell whether a key is good, the last token goes on until it expires.

use std::{sync::Arc, time::Duration};

use moka::{future, sync};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

/// How long a token is used before it is asked for anew.
const FRESH: Duration = Duration::from_mins(1);
/// How long a key that was refused is refused without asking.
const REFUSED: Duration = Duration::from_secs(5);
/// Tokens that were got for keys live no longer.
const LAST: Duration = Duration::from_mins(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// Keys that are remembered.
const CAPACITY: u64 = 10_000;
/// Whole keys begin so.
pub(crate) const PREFIX: &str = "mk_";

/// A key is remembered by its digest only.
type Fingerprint = [u8; 32];

/// Exchanges API keys for access tokens.
pub(crate) struct KeyExchange {
    http: reqwest::Client,
    token_url: Url,
    /// `Authorization` values; equal keys ask once.
    fresh: future::Cache<Fingerprint, Arc<str>>,
    last: sync::Cache<Fingerprint, Arc<str>>,
    refused: sync::Cache<Fingerprint, ()>,
}

/// Why there is no token for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// The key is unknown, expired or revoked.
    Refused,
    /// Nobody can tell.
    Unavailable,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl KeyExchange {
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new(token_url: Url) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            token_url,
            fresh: future::Cache::builder().max_capacity(CAPACITY).time_to_live(FRESH).build(),
            last: sync::Cache::builder().max_capacity(CAPACITY).time_to_live(LAST).build(),
            refused: sync::Cache::builder().max_capacity(CAPACITY).time_to_live(REFUSED).build(),
        })
    }

    /// Whether it was found out of late whether a key is good.
    pub(crate) fn knows(&self, key: &str) -> bool {
        let fingerprint = fingerprint(key);
        self.last.contains_key(&fingerprint) || self.refused.contains_key(&fingerprint)
    }

    /// The `Authorization` value to use for a key.
    pub(crate) async fn authorization(&self, key: &str) -> Result<Arc<str>, NoToken> {
        let fingerprint = fingerprint(key);
        if self.refused.contains_key(&fingerprint) {
            return Err(NoToken::Refused);
        }
        match self.fresh.try_get_with(fingerprint, self.ask(key)).await {
            Ok(authorization) => {
                // The newest, for the time when nobody can tell.
                let known = self.last.get(&fingerprint);
                if !known.is_some_and(|known| Arc::ptr_eq(&known, &authorization)) {
                    self.last.insert(fingerprint, Arc::clone(&authorization));
                }
                Ok(authorization)
            }
            Err(why) => match *why {
                NoToken::Refused => {
                    self.last.invalidate(&fingerprint);
                    self.refused.insert(fingerprint, ());
                    Err(NoToken::Refused)
                }
                NoToken::Unavailable => self.last.get(&fingerprint).ok_or(NoToken::Unavailable),
            },
        }
    }

    async fn ask(&self, key: &str) -> Result<Arc<str>, NoToken> {
        let Some((id, _)) = parts(key) else { return Err(NoToken::Refused) };
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
        let answer = self.http.post(self.token_url.clone()).form(&form).send().await;
        let answer = answer.map_err(|error| self.unavailable(&error))?;
        let status = answer.status();
        if status == 400 || status == 401 {
            return Err(NoToken::Refused);
        }
        let answer = answer.error_for_status().map_err(|error| self.unavailable(&error))?;
        let Answer { access_token } = answer.json().await.map_err(|error| self.unavailable(&error))?;
        Ok(format!("Bearer {access_token}").into())
    }

    fn unavailable(&self, error: &reqwest::Error) -> NoToken {
        tracing::warn!(%error, url = %self.token_url, "cannot exchange an API key for an access token");
        NoToken::Unavailable
    }
}

impl std::fmt::Debug for KeyExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyExchange").field("token_url", &self.token_url).finish_non_exhaustive()
    }
}

fn fingerprint(key: &str) -> Fingerprint {
    Sha256::digest(key.as_bytes()).into()
}

/// The id and the secret of a key.
fn parts(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(PREFIX)?.split_once('_').filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_an_id_and_a_secret() {
        assert_eq!(parts("mk_0123_a-b_c"), Some(("0123", "a-b_c")));
        for wrong in ["", "mk_", "mk_0123", "mk_0123_", "mk__secret", "sk_0123_secret"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
