//! Holds: temporary claims to seats of one show.
//!
//! Redis keeps them; while it is away PostgreSQL gives durable ones, which stay there until they
//! end. The lowest bit of a hold's number says which it is, so that everybody knows whom to ask,
//! whatever they think of Redis.

use chrono::{DateTime, Utc};
use kernel::{HoldId, UserId};

/// Is this the id of a hold that PostgreSQL keeps?
pub const fn is_durable(id: HoldId) -> bool {
    id.local() & 1 == 1
}

/// The id that the same request gives to the hold of the other store.
pub fn twin(id: HoldId) -> HoldId {
    HoldId::new(id.show(), id.local() ^ 1)
}

/// A hold that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id, which carries the show.
    pub id: HoldId,
    /// Who holds.
    pub owner: UserId,
    /// The seats, ascending.
    pub seats: Vec<u16>,
    /// When it was made; exact to the second.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// Its owner gave the seats back.
    Released,
    /// Its time was over.
    Expired,
    /// A checkout made it a booking.
    Consumed,
    /// A booking took seats of it: a late payment, or a change of the show.
    Lost,
}

impl Hold {
    /// Does PostgreSQL keep it?
    pub const fn is_durable(&self) -> bool {
        is_durable(self.id)
    }
}

impl HoldEnd {
    /// The letter in stored records.
    pub const fn letter(self) -> char {
        match self {
            Self::Released => 'X',
            Self::Expired => 'E',
            Self::Consumed => 'C',
            Self::Lost => 'T',
        }
    }

    /// The name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Consumed => "checked_out",
            Self::Lost => "lost",
        }
    }

    /// What a stored letter stands for.
    pub const fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'X' => Some(Self::Released),
            'E' => Some(Self::Expired),
            'C' => Some(Self::Consumed),
            'T' => Some(Self::Lost),
            _ => None,
        }
    }
}
