//! The ticket keys of the configuration, decoded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use super::Config;
use crate::domain::ticket::{PublicKey, TicketSigner};

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TicketKeyError {
    /// No seed, or not one.
    #[error(
        "booking.ticket_signing_key must be base64 of 32 random bytes; \
         set MARQUEE_BOOKING__TICKET_SIGNING_KEY (for example to `openssl rand -base64 32`)"
    )]
    SigningKey,
    /// A retired key that is not one.
    #[error("booking.previous_ticket_keys[{0}] must be base64 of a 32-byte Ed25519 public key")]
    PreviousKey(usize),
}

impl Config {
    /// The signer of tickets, with the public keys of earlier signers.
    ///
    /// # Errors
    /// When a key is missing or has the wrong form.
    pub fn ticket_signer(&self) -> Result<TicketSigner, TicketKeyError> {
        let seed = bytes(self.ticket_signing_key.expose_secret()).ok_or(TicketKeyError::SigningKey)?;
        let previous = self
            .previous_ticket_keys
            .iter()
            .enumerate()
            .map(|(at, text)| {
                bytes(text).and_then(|key| PublicKey::from_bytes(&key)).ok_or(TicketKeyError::PreviousKey(at))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(TicketSigner::new(&seed, previous))
    }
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(seed: &str, previous: &[&str]) -> Config {
        Config {
            ticket_signing_key: seed.into(),
            previous_ticket_keys: previous.iter().map(|key| (*key).to_owned()).collect(),
            ..Config::default()
        }
    }

    #[test]
    fn keys_are_32_bytes_in_base64() {
        let seed = STANDARD.encode([7; 32]);
        let public = STANDARD.encode(TicketSigner::new(&[8; 32], Vec::new()).public_keys()[0].as_bytes());
        assert_eq!(config(&seed, &[&public]).ticket_signer().unwrap().public_keys().len(), 2);
        for wrong in ["", "!", "c2hvcnQ="] {
            assert!(matches!(config(wrong, &[]).ticket_signer(), Err(TicketKeyError::SigningKey)));
        }
        let error = config(&seed, &[&public, "x"]).ticket_signer().unwrap_err();
        assert!(matches!(error, TicketKeyError::PreviousKey(1)), "{error}");
    }
}
