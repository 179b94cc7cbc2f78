//! Keys of this checkout: made once, kept.

use std::{fs, io};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::state::{State, write_private};
use crate::random;

/// The keys.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secrets {
    /// Seed of the Ed25519 key that signs access tokens, base64.
    pub(super) user_signing_key: String,
    /// Seed of the Ed25519 key that signs tickets, base64.
    pub(super) ticket_signing_key: String,
    /// Signs the sandbox's webhooks.
    pub(super) webhook_secret: String,
    /// The platform's key at the sandbox.
    pub(super) payment_secret_key: String,
    /// The browsers' key at the sandbox.
    pub(super) payment_publishable_key: String,
}

impl Secrets {
    /// The keys of last time, or new ones. Tickets and sessions outlive a restart.
    pub(super) fn load_or_make(state: &State) -> Result<Self> {
        let path = state.secrets();
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("{} is damaged; remove it to get new keys", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::make()?;
                write_private(&path, &toml::to_string(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn make() -> Result<Self> {
        Ok(Self {
            user_signing_key: random::seed()?,
            ticket_signing_key: random::seed()?,
            webhook_secret: random::token("whsec_")?,
            payment_secret_key: random::token("sk_test_")?,
            payment_publishable_key: random::token("pk_test_")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path().to_owned()).unwrap();
        let first = Secrets::load_or_make(&state).unwrap();
        let second = Secrets::load_or_make(&state).unwrap();
        assert_eq!(first.ticket_signing_key, second.ticket_signing_key);
        assert_ne!(first.ticket_signing_key, first.user_signing_key);
    }
}
