//! `refreshSession`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, refuse_keys};

use crate::{
    app::RefreshSession,
    graphql::{
        error::{app, settle},
        model::{Session, UserError},
    },
};

/// What to refresh a session with.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The newest refresh token of the session.
    #[graphql(secret)]
    refresh_token: String,
}

/// What came of `refreshSession`.
#[derive(SimpleObject)]
pub struct RefreshSessionPayload {
    /// The same session with new tokens; the old refresh token is spent.
    session: Option<Session>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct RefreshSessionMutation;

#[Object]
impl RefreshSessionMutation {
    /// Trades a refresh token for a new pair of tokens. Needs no access token.
    #[graphql(directive = Cost::apply(10))]
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        input: RefreshSessionInput,
    ) -> Result<RefreshSessionPayload> {
        refuse_keys(ctx)?;
        let outcome =
            app(ctx)?.refresh_session(RefreshSession { refresh_token: input.refresh_token.into() }).await;
        let (grant, user_errors) = settle(outcome)?;
        Ok(RefreshSessionPayload { session: grant.map(Session), user_errors })
    }
}
