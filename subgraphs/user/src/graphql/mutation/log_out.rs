//! `logOut`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, refuse_keys, require_user};

use crate::{
    app::LogOut,
    graphql::{
        error::{app, settle},
        model::UserError,
    },
};

/// Which session to end.
#[derive(InputObject, Default)]
pub struct LogOutInput {
    /// Ends the session of this token, even when the access token has expired; without it, the
    /// session of the access token ends.
    #[graphql(secret)]
    refresh_token: Option<String>,
}

/// What came of `logOut`.
#[derive(SimpleObject)]
pub struct LogOutPayload {
    /// Whether the session is ended now, be it by this request or an earlier one.
    logged_out: bool,
    /// Why it is not.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct LogOutMutation;

#[Object]
impl LogOutMutation {
    /// Ends a session: it cannot be refreshed any more.
    #[graphql(directive = Cost::apply(10))]
    async fn log_out(&self, ctx: &Context<'_>, input: Option<LogOutInput>) -> Result<LogOutPayload> {
        refuse_keys(ctx)?;
        let which = match input.unwrap_or_default().refresh_token {
            Some(token) => LogOut::ByToken(token.into()),
            None => LogOut::Own(require_user(ctx)?.clone()),
        };
        let (done, user_errors) = settle(app(ctx)?.log_out(which).await)?;
        Ok(LogOutPayload { logged_out: done.is_some(), user_errors })
    }
}
