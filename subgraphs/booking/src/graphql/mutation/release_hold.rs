//! `releaseHold`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, Scope, require_scope};

use crate::graphql::{
    error::{app, tell_degraded},
    model::{
        hold::{no_such_hold, refusal},
        user_error::UserError,
    },
};

/// What to give back.
#[derive(InputObject)]
pub struct ReleaseHoldInput {
    /// A hold of the caller.
    hold_id: ID,
}

/// What came of `releaseHold`.
#[derive(SimpleObject)]
pub struct ReleaseHoldPayload {
    /// The caller gave the seats back, now or before.
    released: bool,
    /// Why not.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct ReleaseHoldMutation;

#[Object]
impl ReleaseHoldMutation {
    /// Gives the seats of a hold back at once. Safe to send again.
    #[graphql(directive = Cost::apply(5), requires_scopes = "holds:write")]
    async fn release_hold(&self, ctx: &Context<'_>, input: ReleaseHoldInput) -> Result<ReleaseHoldPayload> {
        let user = require_scope(ctx, Scope::HoldsWrite)?;
        let app = app(ctx)?;
        let Ok(id) = input.hold_id.parse() else { return Ok(refused(no_such_hold())) };
        let answer = app.hold_release(user, id).await;
        tell_degraded(ctx, app, false);
        match answer {
            Ok(()) => Ok(ReleaseHoldPayload { released: true, user_errors: Vec::new() }),
            Err(error) => Ok(refused(refusal(app, error, None)?)),
        }
    }
}

fn refused(error: UserError) -> ReleaseHoldPayload {
    ReleaseHoldPayload { released: false, user_errors: vec![error] }
}
