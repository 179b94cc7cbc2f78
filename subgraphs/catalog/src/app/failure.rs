//! Why a use case did not do what it was asked to.

use graphql_kit::ApiError;

use crate::{domain::Show, store::StoreError};

/// What a use case gives: a result, an expected refusal, or a failure.
pub type Outcome<T> = Result<Result<T, Refusal>, Failure>;

/// Nothing that a client can answer with another request, or nothing that it may know.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The caller may not.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// The question itself makes no sense.
    #[error("bad input: {0}")]
    BadInput(String),
    /// The database.
    #[error(transparent)]
    Store(StoreFailure),
    /// An event has no JSON form.
    #[error("an event cannot be written")]
    Event(#[source] serde_json::Error),
    /// The process ends before it knows whether it was done.
    #[error("the process is stopping")]
    Stopping,
}

/// What the database did, for the log; its kinds are nobody's business outside of the store.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFailure(StoreError);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(StoreFailure(error))
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Forbidden(message) => Self::forbidden(*message),
            Failure::BadInput(message) => Self::bad_input(message),
            Failure::Store(StoreFailure(error)) if error.is_passing() => {
                Self::unavailable("the catalog's database", error)
            }
            Failure::Store(_) | Failure::Event(_) | Failure::Stopping => Self::internal(&failure),
        }
    }
}

/// A refusal that clients expect; data, not an error.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// An argument can never work.
    InvalidInput {
        /// What is wrong, for a person.
        message: String,
        /// Which field of the input.
        field: &'static str,
    },
    /// There is no such thing.
    NotFound {
        /// What there is not, for a person.
        message: String,
        /// Which field of the input named it.
        field: &'static str,
    },
    /// The rules do not allow it now.
    NotAllowed {
        /// Why, for a person.
        message: String,
        /// Why, for a program.
        code: &'static str,
    },
    /// Other shows have the screen at that time.
    ScreenBusy {
        /// Those shows, the earliest first.
        shows: Vec<Show>,
    },
}

impl Refusal {
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidInput { message: message.into(), field }
    }

    pub(crate) fn not_found(field: &'static str, what: &str) -> Self {
        Self::NotFound { message: format!("there is no such {what}"), field }
    }

    pub(crate) fn not_allowed(code: &'static str, message: impl Into<String>) -> Self {
        Self::NotAllowed { message: message.into(), code }
    }
}
