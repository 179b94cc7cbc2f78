//! Tickets: what a scanner at the door reads, checkable without a network.
//!
//! A code is `M1.<payload>.<signature>`, both parts base64url without padding. The signature is
//! Ed25519 (RFC 8032) over the ASCII text `M1.<payload>`. The payload is, big endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | key id: the first bytes of SHA-256 of the public key |
//! | 16 | show (UUID) |
//! | 8 | ticket number within the show |
//! | 8 | start of the show, Unix seconds |
//! | 2 | seat index in layout order |
//! | rest | seat label, UTF-8 |
//!
//! A code proves that it was issued; whether the ticket was voided or used since, the box office
//! knows.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use kernel::{BookingId, ShowId, TicketId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const PREFIX: &str = "M1";
const FIXED_BYTES: usize = 4 + 16 + 8 + 8 + 2;
/// Longer labels than this are no seat labels.
const MAX_LABEL: usize = 64;

/// A ticket as stored: one seat of a confirmed booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The booking it belongs to.
    pub booking: BookingId,
    /// Seat index in layout order.
    pub seat_no: u16,
    /// What the QR code says.
    pub code: String,
}

/// What a code says once its signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The ticket.
    pub ticket: TicketId,
    /// When the show starts, to the second.
    pub starts_at: DateTime<Utc>,
    /// Seat index in layout order.
    pub seat_no: u16,
    /// What the seat is called.
    pub label: String,
}

/// Why a code is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is not a ticket code.
    #[error("not a ticket code")]
    Malformed,
    /// It was signed by a key we do not know.
    #[error("signed by an unknown key")]
    UnknownKey,
    /// It was changed, or never issued.
    #[error("the signature does not match")]
    Forged,
}

/// The short name of a public key inside codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A key that checks codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 32 bytes; `None` when they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its short name.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut id = [0; 4];
        id.copy_from_slice(&digest[..4]);
        KeyId(id)
    }
}

/// Issues codes.
pub struct TicketSigner {
    key: SigningKey,
    key_id: KeyId,
    public: Vec<PublicKey>,
}

impl TicketSigner {
    /// A signer from its 32-byte seed; `previous` are public keys of earlier signers.
    pub fn new(seed: &[u8; 32], previous: Vec<PublicKey>) -> Self {
        let key = SigningKey::from_bytes(seed);
        let current = PublicKey(key.verifying_key());
        let key_id = current.id();
        let public = std::iter::once(current).chain(previous).collect();
        Self { key, key_id, public }
    }

    /// All keys that codes may be signed with, the current one first.
    pub fn public_keys(&self) -> &[PublicKey] {
        &self.public
    }

    /// Issues the code of a ticket.
    pub fn issue(&self, claims: &Claims) -> String {
        let mut payload = Vec::with_capacity(FIXED_BYTES + claims.label.len());
        payload.extend_from_slice(&self.key_id.0);
        payload.extend_from_slice(claims.ticket.show().uuid().as_bytes());
        payload.extend_from_slice(&claims.ticket.local().to_be_bytes());
        payload.extend_from_slice(&claims.starts_at.timestamp().to_be_bytes());
        payload.extend_from_slice(&claims.seat_no.to_be_bytes());
        payload.extend_from_slice(claims.label.as_bytes());
        let signed = format!("{PREFIX}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

impl fmt::Debug for TicketSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Checks a code against the published keys. Needs nothing else: no clock, no network.
///
/// # Errors
/// Says why the code is not believed.
pub fn verify(code: &str, keys: &[PublicKey]) -> Result<Claims, CodeError> {
    let (signed, signature) = code.rsplit_once('.').ok_or(CodeError::Malformed)?;
    let payload = signed
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(CodeError::Malformed)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or(CodeError::Malformed)?;
    let (key_id, claims) = decode(&payload).ok_or(CodeError::Malformed)?;
    let key = keys.iter().find(|key| key.id() == key_id).ok_or(CodeError::UnknownKey)?;
    key.0.verify_strict(signed.as_bytes(), &signature).map_err(|_| CodeError::Forged)?;
    Ok(claims)
}

fn decode(payload: &[u8]) -> Option<(KeyId, Claims)> {
    let (key_id, rest) = payload.split_first_chunk::<4>()?;
    let (show, rest) = rest.split_first_chunk::<16>()?;
    let (ticket, rest) = rest.split_first_chunk::<8>()?;
    let (starts_at, rest) = rest.split_first_chunk::<8>()?;
    let (seat_no, label) = rest.split_first_chunk::<2>()?;
    if label.len() > MAX_LABEL {
        return None;
    }
    let show = ShowId::from_uuid(Uuid::from_bytes(*show));
    let ticket = u64::from_be_bytes(*ticket);
    let claims = Claims {
        ticket: (ticket < 1 << 63).then(|| TicketId::new(show, ticket))?,
        starts_at: DateTime::from_timestamp(i64::from_be_bytes(*starts_at), 0)?,
        seat_no: u16::from_be_bytes(*seat_no),
        label: std::str::from_utf8(label).ok()?.to_owned(),
    };
    Some((KeyId(*key_id), claims))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(ticket: u64, seat_no: u16, label: &str) -> Claims {
        let show = ShowId::from_uuid(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001));
        Claims {
            ticket: TicketId::new(show, ticket),
            starts_at: DateTime::from_timestamp(1_900_000_000, 0).unwrap(),
            seat_no,
            label: label.to_owned(),
        }
    }

    #[test]
    fn a_code_is_believed_by_whoever_has_the_public_key() {
        let signer = TicketSigner::new(&[7; 32], Vec::new());
        let code = signer.issue(&claims(42, 4, "A5"));
        assert!(code.len() < 160, "small enough for a phone's camera: {}", code.len());
        assert_eq!(verify(&code, signer.public_keys()), Ok(claims(42, 4, "A5")));
    }

    #[test]
    fn old_keys_stay_valid_and_unknown_ones_are_told_apart() {
        let old = TicketSigner::new(&[1; 32], Vec::new());
        let code = old.issue(&claims(1, 0, "A1"));
        let new = TicketSigner::new(&[2; 32], old.public_keys().to_vec());
        assert_eq!(verify(&code, new.public_keys()), Ok(claims(1, 0, "A1")));
        let stranger = TicketSigner::new(&[3; 32], Vec::new());
        assert_eq!(verify(&code, stranger.public_keys()), Err(CodeError::UnknownKey));
    }

    #[test]
    fn nonsense_is_malformed() {
        let signer = TicketSigner::new(&[7; 32], Vec::new());
        for code in ["", "M1", "M1..", "M1.AAAA.AAAA", "M2.AAAA.AAAA", "hello"] {
            assert_eq!(verify(code, signer.public_keys()), Err(CodeError::Malformed), "{code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_issued_is_what_is_read(
            ticket in 0_u64..1 << 63, seat_no: u16, label in "[A-Z]{1,2}[0-9]{1,3}",
        ) {
            let signer = TicketSigner::new(&[9; 32], Vec::new());
            let claims = claims(ticket, seat_no, &label);
            prop_assert_eq!(verify(&signer.issue(&claims), signer.public_keys()), Ok(claims));
        }

        #[test]
        fn no_changed_byte_is_believed(at: prop::sample::Index, byte in b'0'..=b'z') {
            let signer = TicketSigner::new(&[9; 32], Vec::new());
            let code = signer.issue(&claims(5, 9, "B3"));
            let mut changed = code.into_bytes();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != byte);
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(verify(&changed, signer.public_keys()).is_err());
        }
    }
}
