//! Typed ids and their text form.
//!
//! Ids look like [TypeIDs](https://github.com/jetify-com/typeid): a type prefix, `_`, and the
//! value in lower-case Crockford base 32. An [`Id`] is a UUID (26 characters). A [`ScopedId`]
//! belongs to one show and carries it, so that the id alone finds the shard: the show's 26
//! characters, then 13 for a number that is unique within the show.

use std::{fmt, hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// What kind of thing an id names; gives the text prefix.
pub trait Kind {
    /// The part of the text before `_`.
    const PREFIX: &'static str;
}

/// The text is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a valid id: expected `{expected}_` followed by {length} characters of 0-9 a-z without i, l, o, u"
)]
pub struct ParseIdError {
    expected: &'static str,
    length: usize,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const UUID_LENGTH: usize = 26;
const LOCAL_LENGTH: usize = 13;

fn encode(mut value: u128, out: &mut [u8]) {
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
}

/// `None` for a foreign character or a value of more than `bits` bits.
fn decode(text: &[u8], bits: u32) -> Option<u128> {
    let mut value: u128 = 0;
    for byte in text {
        let digit = ALPHABET.iter().position(|c| c == byte)? as u128;
        if value.leading_zeros() < 5 {
            return None;
        }
        value = value << 5 | digit;
    }
    (bits == 128 || value >> bits == 0).then_some(value)
}

/// The value part of `text`, when it has the right prefix and length.
fn suffix<'t>(text: &'t str, expected: &'static str, length: usize) -> Result<&'t [u8], ParseIdError> {
    text.strip_prefix(expected)
        .and_then(|rest| rest.strip_prefix('_'))
        .map(str::as_bytes)
        .filter(|rest| rest.len() == length)
        .ok_or(ParseIdError { expected, length })
}

macro_rules! text_form {
    ($type:ident) => {
        impl<K: Kind> fmt::Debug for $type<K> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<K: Kind> Serialize for $type<K> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, K: Kind> Deserialize<'de> for $type<K> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// The id of a `K`: a UUID with a type.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// The id with this value.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bare value, as databases store it.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; UUID_LENGTH];
        encode(self.0.as_u128(), &mut text);
        write!(f, "{}_{}", K::PREFIX, str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let value = suffix(text, K::PREFIX, UUID_LENGTH)?;
        decode(value, 128)
            .map(|value| Self::from_uuid(Uuid::from_u128(value)))
            .ok_or(ParseIdError { expected: K::PREFIX, length: UUID_LENGTH })
    }
}

text_form!(Id);

/// The id of a `K` that belongs to one show.
pub struct ScopedId<K> {
    show: ShowId,
    local: u64,
    kind: PhantomData<fn() -> K>,
}

impl<K> ScopedId<K> {
    /// The id of number `local` within `show`. Only 63 bits of `local` are kept, so that it fits
    /// a `bigint` column.
    pub const fn new(show: ShowId, local: u64) -> Self {
        Self { show, local: local & (u64::MAX >> 1), kind: PhantomData }
    }

    /// The id that a row with these columns has.
    pub const fn from_db(show: Uuid, local: i64) -> Self {
        Self::new(Id::from_uuid(show), local.cast_unsigned())
    }

    /// The show that this belongs to.
    pub const fn show(self) -> ShowId {
        self.show
    }

    /// The number within the show, below 2⁶³.
    pub const fn local(self) -> u64 {
        self.local
    }

    /// The number within the show, as a `bigint` column stores it.
    pub const fn local_i64(self) -> i64 {
        self.local.cast_signed()
    }
}

impl<K> Clone for ScopedId<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for ScopedId<K> {}
impl<K> PartialEq for ScopedId<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.show, self.local) == (other.show, other.local)
    }
}
impl<K> Eq for ScopedId<K> {}
impl<K> PartialOrd for ScopedId<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for ScopedId<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.show, self.local).cmp(&(other.show, other.local))
    }
}
impl<K> hash::Hash for ScopedId<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        (self.show, self.local).hash(state);
    }
}

impl<K: Kind> fmt::Display for ScopedId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; UUID_LENGTH + LOCAL_LENGTH];
        let (show, local) = text.split_at_mut(UUID_LENGTH);
        encode(self.show.uuid().as_u128(), show);
        encode(u128::from(self.local), local);
        write!(f, "{}_{}", K::PREFIX, str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<K: Kind> FromStr for ScopedId<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let value = suffix(text, K::PREFIX, UUID_LENGTH + LOCAL_LENGTH)?;
        let (show, local) = value.split_at(UUID_LENGTH);
        decode(show, 128)
            .zip(decode(local, 63))
            .and_then(|(show, local)| {
                Some(Self::new(Id::from_uuid(Uuid::from_u128(show)), u64::try_from(local).ok()?))
            })
            .ok_or(ParseIdError { expected: K::PREFIX, length: UUID_LENGTH + LOCAL_LENGTH })
    }
}

text_form!(ScopedId);

/// The kinds of things that have ids.
pub mod kind {
    macro_rules! kinds {
        ($($name:ident $prefix:literal $alias:ident $shape:ident;)*) => {$(
            #[doc = concat!("Ids that start with `", $prefix, "_`.")]
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}
            impl super::Kind for $name {
                const PREFIX: &'static str = $prefix;
            }
        )*
        pub(super) mod alias {$(
            #[doc = concat!("The id of a ", $prefix, ".")]
            pub type $alias = super::super::$shape<super::$name>;
        )*}
        };
    }

    kinds! {
        City "city" CityId Id;
        Theater "theater" TheaterId Id;
        Screen "screen" ScreenId Id;
        Seat "seat" SeatId Id;
        Movie "movie" MovieId Id;
        Person "person" PersonId Id;
        Show "show" ShowId Id;
        User "user" UserId Id;
        Session "session" SessionId Id;
        ApiKey "key" ApiKeyId Id;
        Event "event" EventId Id;
        Hold "hold" HoldId ScopedId;
        Booking "booking" BookingId ScopedId;
        Payment "payment" PaymentId ScopedId;
        Refund "refund" RefundId ScopedId;
        Ticket "ticket" TicketId ScopedId;
        Finding "finding" FindingId ScopedId;
    }
}
pub use kind::alias::*;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_form_is_the_published_typeid_example() {
        // From the TypeID specification's valid.json, with a prefix of ours.
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(ShowId::from_uuid(uuid).to_string(), "show_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn foreign_text_is_refused_with_the_expected_form() {
        for text in [
            "",
            "show",
            "show_",
            "movie_01h455vb4pex5vsknk084sn02q",
            "show_01h455vb4pex5vsknk084sn02l",
            "show_81h455vb4pex5vsknk084sn02q",
            "show_01H455VB4PEX5VSKNK084SN02Q",
            "show_01h455vb4pex5vsknk084sn02q0",
        ] {
            let error = text.parse::<ShowId>().unwrap_err();
            assert!(error.to_string().contains("`show_`"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_id_survives_text(value: u128) {
            let id = UserId::from_uuid(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<UserId>().unwrap(), id);
        }

        #[test]
        fn every_scoped_id_survives_text_and_columns(show: u128, local: u64) {
            let id = BookingId::new(ShowId::from_uuid(Uuid::from_u128(show)), local);
            prop_assert_eq!(id.to_string().parse::<BookingId>().unwrap(), id);
            prop_assert_eq!(BookingId::from_db(id.show().uuid(), id.local_i64()), id);
        }

        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = text.parse::<BookingId>();
            let _ = format!("booking_{text}").parse::<BookingId>();
        }
    }
}
