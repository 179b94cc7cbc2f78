//! Holds: temporary claims to seats of one show.

use chrono::{DateTime, Utc};
use kernel::{HoldId, UserId};

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
