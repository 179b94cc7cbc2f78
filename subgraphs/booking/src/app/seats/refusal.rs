//! Why there is no hold.

use super::SeatsError;
use crate::app::AppError;
use crate::challenge::NoVerdict;
use crate::domain::{
    alternatives,
    hold::HoldEnd,
    seats::{ChoiceError, taken},
    show::Show,
};
use crate::store::{StoreError, seats::Wanted};

/// Why there is no hold, or why it does not live longer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HoldRefusal {
    /// The idempotency key is empty or too long.
    #[error("an idempotency key has 1 to {max} bytes")]
    InvalidKey {
        /// The longest key, in bytes.
        max: usize,
    },
    /// The seats can never be held together.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// Nobody can hold so many seats at once, or none.
    #[error("a hold has 1 to {max} seats")]
    InvalidQuantity {
        /// How many one hold may have.
        max: u16,
    },
    /// Booking has not heard of the show.
    #[error("there is no such show")]
    UnknownShow,
    /// The show was cancelled.
    #[error("the show is cancelled")]
    ShowCancelled,
    /// The show has begun.
    #[error("the show has begun")]
    ShowStarted,
    /// Some of the seats are taken, or no block is long enough.
    #[error("seats are taken")]
    SeatsUnavailable {
        /// Which of the wanted seats, ascending; none when a block was wanted.
        seats: Vec<u16>,
        /// Sets of as many seats that were free at that moment.
        alternatives: Vec<Vec<u16>>,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user holds too much already, or for too long.
    #[error("a limit is reached")]
    Limit(Limit),
    /// The hold has ended.
    #[error("the hold has ended")]
    Gone(HoldEnd),
    /// The caller has no such hold.
    #[error("there is no such hold")]
    NotFound,
    /// The caller may not hold seats at all.
    #[error("this API key may not hold seats")]
    Forbidden,
    /// The show asks for a solved challenge, and no token for one came.
    #[error("a challenge has to be solved first")]
    ChallengeRequired,
    /// The token does not prove anything, or not any more.
    #[error("the challenge was not solved")]
    ChallengeFailed,
    /// Nobody can say what the token proves.
    #[error(transparent)]
    ChallengeUnjudged(NoVerdict),
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] SeatsError),
}

impl HoldRefusal {
    /// What is `wanted` cannot be had, as the seats are now.
    pub(crate) fn taken(show: &Show, states: &[u8], wanted: Wanted<'_>) -> Self {
        match wanted {
            Wanted::Seats(seats) => Self::SeatsUnavailable {
                seats: taken(states, seats),
                alternatives: alternatives::near(&show.layout, states, seats),
            },
            Wanted::Best { quantity, kind } => Self::SeatsUnavailable {
                seats: Vec::new(),
                alternatives: alternatives::instead_of_block(&show.layout, states, quantity.into(), kind),
            },
        }
    }

    /// What happened, for metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::SeatsUnavailable { .. } => "seats_unavailable",
            Self::Limit(_) => "limit",
            Self::Gone(_) => "gone",
            Self::KeyReused => "key_reused",
            Self::Failed(_) => "failed",
            Self::ChallengeRequired | Self::ChallengeFailed => "challenge",
            Self::ChallengeUnjudged(_) => "challenge_unjudged",
            _ => "refused",
        }
    }
}

/// A limit of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Seats held at a time, over all shows.
    Seats {
        /// How many.
        max: u16,
    },
    /// Shows with held seats at a time.
    Shows {
        /// How many.
        max: u16,
    },
    /// Seats of one show that are held or booked by an API key's account.
    Allotment {
        /// How many.
        max: u32,
    },
    /// The life of one hold.
    Life {
        /// How long, in minutes.
        minutes: u64,
    },
}

impl From<AppError> for HoldRefusal {
    fn from(error: AppError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for HoldRefusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<platform::redis::RedisError> for HoldRefusal {
    fn from(error: platform::redis::RedisError) -> Self {
        Self::Failed(error.into())
    }
}
