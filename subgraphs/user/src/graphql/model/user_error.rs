//! Refusals as data.

use async_graphql::{Interface, SimpleObject};
use graphql_kit::user_error::{InvalidInputError, LimitExceededError, NotAllowedError, NotFoundError};

use crate::app::Refusal;

graphql_kit::user_errors! {
    /// An account with this email address exists.
    EmailTakenError "EMAIL_TAKEN";
    /// The email address and the password do not belong together. Which of the two is wrong is
    /// not told.
    InvalidCredentialsError "INVALID_CREDENTIALS";
    /// The refresh token is none of ours.
    InvalidRefreshTokenError "INVALID_REFRESH_TOKEN";
    /// The session was not refreshed in time: log in again.
    SessionExpiredError "SESSION_EXPIRED";
    /// The session was ended, by a log-out or because its refresh token came twice: log in again.
    SessionRevokedError "SESSION_REVOKED";
}

/// Too many attempts to log in with this email address.
#[derive(SimpleObject)]
pub struct TooManyAttemptsError {
    /// What is wrong and what to do, in words for a person.
    pub message: String,
    /// The same for a program: stable, in upper case.
    pub code: String,
    /// Where in the mutation's arguments, from the outside in.
    pub path: Option<Vec<String>>,
    /// The next attempt has a chance after this many seconds.
    pub retry_after_seconds: i32,
}

/// Why a mutation did not do what it was asked for.
#[derive(Interface)]
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
pub enum UserError {
    InvalidInput(InvalidInputError),
    EmailTaken(EmailTakenError),
    InvalidCredentials(InvalidCredentialsError),
    InvalidRefreshToken(InvalidRefreshTokenError),
    SessionExpired(SessionExpiredError),
    SessionRevoked(SessionRevokedError),
    TooManyAttempts(TooManyAttemptsError),
    NotFound(NotFoundError),
    NotAllowed(NotAllowedError),
    LimitExceeded(LimitExceededError),
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        const TOKEN: [&str; 2] = ["input", "refreshToken"];
        const ACCOUNT: [&str; 2] = ["input", "accountId"];
        match refusal {
            Refusal::Invalid(invalid) => {
                InvalidInputError::new(invalid.message).at(&["input", invalid.field]).into()
            }
            Refusal::EmailTaken => {
                EmailTakenError::new("an account with this email address exists; log in instead")
                    .at(&["input", "email"])
                    .into()
            }
            Refusal::InvalidCredentials { field } => InvalidCredentialsError::new(match field {
                "password" => "the email address or the password is wrong",
                _ => "the current password is wrong",
            })
            .at(&["input", field])
            .into(),
            Refusal::TooManyAttempts { retry_after } => {
                let seconds = retry_after.as_secs_f64().ceil();
                TooManyAttemptsError {
                    message: format!("too many attempts; try again in {seconds} seconds"),
                    code: "TOO_MANY_ATTEMPTS".to_owned(),
                    path: None,
                    // A throttle lasts a day at most, which fits.
                    retry_after_seconds: seconds as i32,
                }
                .into()
            }
            Refusal::InvalidRefreshToken => {
                InvalidRefreshTokenError::new("this is no refresh token; log in again").at(&TOKEN).into()
            }
            Refusal::SessionExpired => {
                SessionExpiredError::new("the session has expired; log in again").at(&TOKEN).into()
            }
            Refusal::SessionRevoked => {
                SessionRevokedError::new("the session has ended; log in again").at(&TOKEN).into()
            }
            Refusal::NoSuchAccount => NotFoundError::new("there is no such account").at(&ACCOUNT).into(),
            Refusal::NotAPartner => {
                NotAllowedError::new("only accounts with the role PARTNER can have API keys: grant it first")
                    .at(&ACCOUNT)
                    .into()
            }
            Refusal::TooManyKeys { most } => {
                let message = format!("the account has {most} keys already: revoke one first");
                LimitExceededError::new(message).at(&ACCOUNT).into()
            }
            Refusal::NoSuchKey => NotFoundError::new("there is no such key").at(&["input", "id"]).into(),
        }
    }
}
