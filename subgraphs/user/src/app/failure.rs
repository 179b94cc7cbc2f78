//! Why a use case did not do what it was asked for.

use std::time::Duration;

use sea_orm::DbErr;

use super::passwords::PasswordFault;
use crate::domain::{Invalid, throttle::Blocked};

/// A use case did nothing, because it was refused or because something broke.
#[derive(Debug)]
pub enum Failure {
    /// Expected: the caller gets the reasons as data.
    Refused(Vec<Refusal>),
    /// Not expected: the caller gets a top-level error.
    Fault(Fault),
}

/// A reason that callers expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A field breaks a rule.
    Invalid(Invalid),
    /// The address belongs to another account.
    EmailTaken,
    /// Address and password do not belong together; `field` is where the password came in.
    InvalidCredentials {
        /// The field's name in the GraphQL input.
        field: &'static str,
    },
    /// Too many attempts with this address.
    TooManyAttempts {
        /// The next attempt has a chance after this time.
        retry_after: Duration,
    },
    /// The refresh token was never given out.
    InvalidRefreshToken,
    /// The session was not refreshed in time.
    SessionExpired,
    /// The session was ended, by log-out or because its token was presented twice.
    SessionRevoked,
    /// No account has this id.
    NoSuchAccount,
    /// The account has not the role `PARTNER`, which keys are for.
    NotAPartner,
    /// The account has as many good keys as it can have.
    TooManyKeys {
        /// How many that is.
        most: u32,
    },
    /// No key has this id.
    NoSuchKey,
}

/// Something that should not happen.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The caller's session has ended since the access token was made.
    #[error("the session has ended")]
    SessionEnded,
    /// The caller may not do this at all.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Too many passwords are being hashed; nothing was changed.
    #[error("too many log-ins at the same time")]
    Busy,
    /// PostgreSQL.
    #[error("the database failed")]
    Db(#[from] DbErr),
    /// Hashing or checking a password.
    #[error("password hashing failed")]
    Password(#[source] PasswordFault),
    /// Signing an access token.
    #[error("signing an access token failed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// Writing an event.
    #[error("an event has no JSON form")]
    Event(#[from] serde_json::Error),
}

impl From<PasswordFault> for Fault {
    fn from(fault: PasswordFault) -> Self {
        match fault {
            PasswordFault::Busy => Self::Busy,
            other => Self::Password(other),
        }
    }
}

macro_rules! faults {
    ($($source:ty)*) => {$(
        impl From<$source> for Failure {
            fn from(source: $source) -> Self {
                Self::Fault(source.into())
            }
        }
    )*};
}

faults! { Fault DbErr PasswordFault jsonwebtoken::errors::Error serde_json::Error }

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Vec<Invalid>> for Failure {
    fn from(invalid: Vec<Invalid>) -> Self {
        Self::Refused(invalid.into_iter().map(Refusal::Invalid).collect())
    }
}

impl From<Blocked> for Failure {
    fn from(blocked: Blocked) -> Self {
        Refusal::TooManyAttempts { retry_after: blocked.retry_after }.into()
    }
}
