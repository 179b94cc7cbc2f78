//! Refusals, as data.

use std::sync::Arc;

use async_graphql::{Interface, SimpleObject};
use graphql_kit::user_error::{InvalidInputError, NotAllowedError, NotFoundError};

use super::Show;
use crate::app::Refusal;

/// Other shows have the screen at that time.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ScreenBusyError {
    /// What is wrong and what to do, in words for a person.
    pub message: String,
    /// The same for a program: stable, in upper case.
    pub code: String,
    /// Where in the mutation's arguments, from the outside in.
    pub path: Option<Vec<String>>,
    /// The shows that are in the way, the earliest first.
    pub conflicting_shows: Vec<Show>,
}

/// Why a mutation was refused.
#[derive(Debug, Clone, Interface)]
#[expect(clippy::duplicated_attributes, reason = "each field of the interface has its own type")]
#[graphql(
    field(name = "message", ty = "&String", desc = "What is wrong and what to do, in words for a person."),
    field(name = "code", ty = "&String", desc = "The same for a program: stable, in upper case."),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "Where in the mutation's arguments, from the outside in."
    )
)]
pub(crate) enum UserError {
    /// An argument has a value that can never work.
    InvalidInput(InvalidInputError),
    /// There is no such thing.
    NotFound(NotFoundError),
    /// The rules do not allow it now.
    NotAllowed(NotAllowedError),
    /// Other shows have the screen at that time.
    ScreenBusy(ScreenBusyError),
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidInput { message, field } => {
                Self::InvalidInput(InvalidInputError::new(message).at(&["input", field]))
            }
            Refusal::NotFound { message, field } => {
                Self::NotFound(NotFoundError::new(message).at(&["input", field]))
            }
            Refusal::NotAllowed { message, code } => {
                Self::NotAllowed(NotAllowedError::new(message).with_code(code))
            }
            Refusal::ScreenBusy { shows } => Self::ScreenBusy(ScreenBusyError {
                message: "the screen has another show at that time; choose another time or screen".to_owned(),
                code: "SCREEN_BUSY".to_owned(),
                path: Some(vec!["input".to_owned(), "startsAt".to_owned()]),
                conflicting_shows: shows.into_iter().map(|show| Show(Arc::new(show))).collect(),
            }),
        }
    }
}
