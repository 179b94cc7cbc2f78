//! Refusals as data.

use async_graphql::{Interface, SimpleObject};
use chrono::{DateTime, Utc};
use graphql_kit::user_error::{
    ConflictError, InvalidInputError, LimitExceededError, NotAllowedError, NotFoundError,
};

use super::hold::SeatsUnavailableError;

graphql_kit::user_errors! {
    /// The hold has ended; its seats may be gone. Hold again.
    HoldExpiredError "HOLD_EXPIRED";
    /// The show was cancelled or has begun: nothing is sold any more.
    ShowClosedError "SHOW_CLOSED";
    /// The payment provider is away. The booking stands and keeps its seats until it expires; the
    /// same checkout again creates the payment.
    PaymentUnavailableError "PAYMENT_UNAVAILABLE";
    /// The booking ended before it was paid: there is nothing to cancel.
    BookingEndedError "BOOKING_ENDED";
}

/// Declares refusals that say with what to get a challenge.
macro_rules! challenge_errors {
    ($($(#[$doc:meta])* $name:ident $code:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, SimpleObject)]
        pub struct $name {
            /// What is wrong and what to do, in words for a person.
            pub message: String,
            /// The same for a program: stable, in upper case.
            pub code: String,
            /// Where in the mutation's arguments, from the outside in.
            pub path: Option<Vec<String>>,
            /// What a browser gets a challenge with.
            pub site_key: String,
        }

        impl $name {
            /// The refusal in these words.
            pub fn new(message: &str, site_key: &str) -> Self {
                Self {
                    message: message.to_owned(),
                    code: $code.to_owned(),
                    path: Some(vec!["input".to_owned(), "challengeToken".to_owned()]),
                    site_key: site_key.to_owned(),
                }
            }
        }
    )*};
}

challenge_errors! {
    /// Seats of this show are for people only: solve a challenge, and send its token as
    /// `challengeToken`.
    ChallengeRequiredError "CHALLENGE_REQUIRED";
    /// The `challengeToken` is none, too old, or was used before: solve another challenge.
    ChallengeFailedError "CHALLENGE_FAILED";
}

/// It is too late to cancel.
#[derive(Debug, Clone, SimpleObject)]
pub struct CancellationClosedError {
    /// What is wrong and what to do, in words for a person.
    pub message: String,
    /// The same for a program: stable, in upper case.
    pub code: String,
    /// Where in the mutation's arguments, from the outside in.
    pub path: Option<Vec<String>>,
    /// Until when it could have been cancelled.
    pub closed_at: DateTime<Utc>,
}

/// Why a mutation did not do what it was asked for.
#[expect(clippy::duplicated_attributes, reason = "each field of the interface has its own type")]
#[derive(Interface)]
#[graphql(
    field(name = "message", ty = "&String", desc = "What is wrong and what to do, in words for a person."),
    field(name = "code", ty = "&String", desc = "The same for a program: stable, in upper case."),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "Where in the mutation's arguments, from the outside in."
    )
)]
pub enum UserError {
    InvalidInput(InvalidInputError),
    NotFound(NotFoundError),
    Conflict(ConflictError),
    LimitExceeded(LimitExceededError),
    NotAllowed(NotAllowedError),
    SeatsUnavailable(SeatsUnavailableError),
    HoldExpired(HoldExpiredError),
    ShowClosed(ShowClosedError),
    PaymentUnavailable(PaymentUnavailableError),
    BookingEnded(BookingEndedError),
    CancellationClosed(CancellationClosedError),
    ChallengeRequired(ChallengeRequiredError),
    ChallengeFailed(ChallengeFailedError),
}

/// An idempotency key that cannot be one.
pub(crate) fn invalid_key() -> UserError {
    InvalidInputError::new(
        "idempotencyKey must have 1 to 255 bytes and no control characters; a UUID is a good one",
    )
    .at(&["input", "idempotencyKey"])
    .into()
}
