//! `logOutEverywhere`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, require_user};

use crate::{
    app::LogOutEverywhere,
    graphql::{
        error::{app, settle},
        model::UserError,
    },
};

/// Which sessions to end.
#[derive(InputObject, Default)]
pub struct LogOutEverywhereInput {
    /// Stay logged in on this device.
    #[graphql(default)]
    keep_this_session: bool,
}

/// What came of `logOutEverywhere`.
#[derive(SimpleObject)]
pub struct LogOutEverywherePayload {
    /// How many sessions were live and are ended now.
    ended_sessions: Option<i32>,
    /// Why none were.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct LogOutEverywhereMutation;

#[Object]
impl LogOutEverywhereMutation {
    /// Ends all sessions of the person who is logged in.
    #[graphql(directive = Cost::apply(10), requires_scopes = "account")]
    async fn log_out_everywhere(
        &self,
        ctx: &Context<'_>,
        input: Option<LogOutEverywhereInput>,
    ) -> Result<LogOutEverywherePayload> {
        let input = LogOutEverywhere { keep_this_session: input.unwrap_or_default().keep_this_session };
        let outcome = app(ctx)?.log_out_everywhere(require_user(ctx)?, input).await;
        let (ended, user_errors) = settle(outcome)?;
        Ok(LogOutEverywherePayload {
            ended_sessions: ended.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            user_errors,
        })
    }
}
