//! Sessions and the refresh tokens that keep them alive.
//!
//! A session is one family of refresh tokens: each is good for one refresh, which gives the
//! next. A token that comes a second time was copied, and nobody can tell whether the thief or
//! the owner holds the newest one: the whole session ends (RFC 9700 section 4.14.2). There is no
//! period of grace for a repeated token, not even for two requests at the same moment: within
//! it, a thief could refresh unnoticed. A client must therefore refresh in one place only.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use kernel::{IdSource, SessionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The person logged out on this device.
    LogOut,
    /// The person logged out on all devices.
    LogOutEverywhere,
    /// The password was changed on another device.
    PasswordChanged,
    /// A refresh token was presented twice.
    TokenReused,
    /// An operator changed the account.
    Operator,
}

impl EndReason {
    /// The text in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogOut => "log_out",
            Self::LogOutEverywhere => "log_out_everywhere",
            Self::PasswordChanged => "password_changed",
            Self::TokenReused => "token_reused",
            Self::Operator => "operator",
        }
    }
}

/// One log-in on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's id, `sid` in access tokens.
    pub id: SessionId,
    /// Whose session this is.
    pub user_id: UserId,
    /// No refresh succeeds from this moment on.
    pub expires_at: DateTime<Utc>,
    /// Whether it ended before its time.
    pub ended: bool,
}

impl Session {
    /// Whether it can still be refreshed at `now`.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        !self.ended && now < self.expires_at
    }
}

/// A refresh token as its holder has it: `mrt_` and 256 random bits in base64url. The prefix lets
/// secret scanners find leaked ones.
#[derive(Debug, Clone)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    const PREFIX: &'static str = "mrt_";
    const BYTES: usize = 32;
    /// Base 64 without padding: four characters for three bytes, rounded up.
    const ENCODED: usize = (Self::BYTES * 4).div_ceil(3);

    /// A new token.
    pub fn generate(ids: &dyn IdSource) -> Self {
        let mut bytes = [0; Self::BYTES];
        ids.fill(&mut bytes);
        let text = format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes));
        Self(text.into())
    }

    /// The token in `text`; `None` if it has not the form of one, and so was never given out.
    pub fn parse(text: SecretString) -> Option<Self> {
        let encoded = text.expose_secret().strip_prefix(Self::PREFIX)?;
        if encoded.len() != Self::ENCODED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        (bytes.len() == Self::BYTES).then_some(Self(text))
    }

    /// What is stored. A plain hash is enough: there is nothing to guess in 256 random bits.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.expose_secret().as_bytes()).into())
    }

    /// The text, to be handed to the holder and nobody else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The SHA-256 of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash's bytes, as the database stores them.
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemIds;

    use super::*;

    #[test]
    fn tokens_differ_and_survive_text() {
        let token = RefreshToken::generate(&SystemIds);
        let again = RefreshToken::parse(token.expose().into()).unwrap();
        assert_eq!(token.hash(), again.hash());
        assert_ne!(token.hash(), RefreshToken::generate(&SystemIds).hash());
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn foreign_text_is_no_token() {
        let long = format!("mrt_{}", "A".repeat(10_000));
        for text in ["", "mrt_", "mrt_AAAA", "eyJhbGciOiJFZERTQSJ9.e30.", "é", &long] {
            assert!(RefreshToken::parse(text.into()).is_none(), "{text}");
        }
    }
}
