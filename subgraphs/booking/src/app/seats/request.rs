//! The identity of a request to hold: from user, show and idempotency key follow the id of the
//! hold, so that a repetition finds what the first one made, whoever carries it out.

use kernel::{HoldId, ShowId, UserId};
use sha2::{Digest, Sha256};

use super::HoldRefusal;
use crate::store::seats::Wanted;

/// The longest idempotency key that is taken, in bytes.
const MAX_KEY: usize = 255;

/// The id of the hold that this request makes in Redis; in PostgreSQL it makes the
/// [twin](crate::domain::hold::twin).
pub(crate) fn hold_id(user: UserId, show: ShowId, key: &str) -> HoldId {
    let mut hash = Sha256::new();
    // Both ids have a fixed length: no two requests are written alike.
    hash.update(user.uuid().as_bytes());
    hash.update(show.uuid().as_bytes());
    hash.update(key.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    // 63 bits, of which the lowest says who keeps the hold.
    HoldId::new(show, (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) & !1)
}

/// A short stand-in for an idempotency key.
pub(crate) fn key_digest(key: &str) -> Result<String, HoldRefusal> {
    if (1..=MAX_KEY).contains(&key.len()) {
        Ok(digest(key.as_bytes(), 16))
    } else {
        Err(HoldRefusal::InvalidKey { max: MAX_KEY })
    }
}

/// A short stand-in for all that is asked for: two requests with one key are the same exactly
/// when this is.
pub(crate) fn body_digest(show: ShowId, wanted: Wanted<'_>) -> String {
    let body = match wanted {
        Wanted::Seats(seats) => format!("seats {show} {seats:?}"),
        Wanted::Best { quantity, kind } => format!("best {show} {quantity} {kind:?}"),
    };
    digest(body.as_bytes(), 8)
}

fn digest(bytes: &[u8], length: usize) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    hex::encode(&digest[..length])
}

#[cfg(test)]
mod tests {
    use kernel::{Id, SeatKind};
    use uuid::Uuid;

    use super::*;
    use crate::domain::hold::{is_durable, twin};

    #[test]
    fn another_request_is_another_hold_or_another_digest() {
        let (user, other) = (Id::from_uuid(Uuid::from_u128(1)), Id::from_uuid(Uuid::from_u128(2)));
        let (show, there) = (Id::from_uuid(Uuid::from_u128(3)), Id::from_uuid(Uuid::from_u128(4)));
        assert_eq!(hold_id(user, show, "k"), hold_id(user, show, "k"));
        assert!(!is_durable(hold_id(user, show, "k")));
        assert!(is_durable(twin(hold_id(user, show, "k"))));
        assert_ne!(hold_id(user, show, "k"), hold_id(other, show, "k"));
        assert_ne!(hold_id(user, show, "k"), hold_id(user, there, "k"));
        assert_ne!(hold_id(user, show, "k"), hold_id(user, show, "l"));

        let best = |kind| body_digest(show, Wanted::Best { quantity: 2, kind });
        assert_ne!(best(None), best(Some(SeatKind::Vip)));
        assert_ne!(body_digest(show, Wanted::Seats(&[1, 2])), body_digest(show, Wanted::Seats(&[12])));
    }

    #[test]
    fn a_key_is_neither_empty_nor_endless() {
        assert!(key_digest("").is_err());
        assert!(key_digest(&"k".repeat(MAX_KEY + 1)).is_err());
        assert!(key_digest(&"k".repeat(MAX_KEY)).is_ok());
    }
}
