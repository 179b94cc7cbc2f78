//! `logIn`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, refuse_keys};

use crate::{
    app::LogIn,
    graphql::{
        error::{app, settle},
        model::{Session, UserError},
    },
};

/// What to log in with.
#[derive(InputObject)]
pub struct LogInInput {
    /// The account's email address.
    email: String,
    /// The account's password.
    #[graphql(secret)]
    password: String,
}

/// What came of `logIn`.
#[derive(SimpleObject)]
pub struct LogInPayload {
    /// The new session.
    session: Option<Session>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct LogInMutation;

#[Object]
impl LogInMutation {
    /// Opens a session for the owner of an account.
    #[graphql(directive = Cost::apply(10))]
    async fn log_in(&self, ctx: &Context<'_>, input: LogInInput) -> Result<LogInPayload> {
        refuse_keys(ctx)?;
        let outcome = app(ctx)?.log_in(LogIn { email: input.email, password: input.password.into() }).await;
        let (grant, user_errors) = settle(outcome)?;
        Ok(LogInPayload { session: grant.map(Session), user_errors })
    }
}
