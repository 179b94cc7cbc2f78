//! `extendHold`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, Scope, require_scope};
use kernel::HoldId;

use crate::graphql::{
    error::{app, tell_degraded},
    model::{
        hold::{HoldObject, failure, no_such_hold, refusal},
        user_error::UserError,
    },
};

/// What to hold for longer.
#[derive(InputObject)]
pub struct ExtendHoldInput {
    /// A hold of the caller.
    hold_id: ID,
}

/// What came of `extendHold`.
#[derive(SimpleObject)]
pub struct ExtendHoldPayload {
    /// The hold with its new end.
    hold: Option<HoldObject>,
    /// Why it does not live longer.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct ExtendHoldMutation;

#[Object]
impl ExtendHoldMutation {
    /// Lets a hold begin its time anew, until the longest time that seats can be held.
    #[graphql(directive = Cost::apply(5), requires_scopes = "holds:write")]
    async fn extend_hold(&self, ctx: &Context<'_>, input: ExtendHoldInput) -> Result<ExtendHoldPayload> {
        let user = require_scope(ctx, Scope::HoldsWrite)?;
        let app = app(ctx)?;
        let Ok(id) = input.hold_id.parse::<HoldId>() else { return Ok(refused(no_such_hold())) };
        let answer = app.hold_extend(user, id).await;
        tell_degraded(ctx, app, false);
        match answer {
            Ok(hold) => {
                let show = app.seats.show(id.show()).await.map_err(|error| failure(&error))?;
                let hold = HoldObject::new(&show, &hold, app.config.pricing.rates())?;
                Ok(ExtendHoldPayload { hold: Some(hold), user_errors: Vec::new() })
            }
            Err(error) => Ok(refused(refusal(app, error, None)?)),
        }
    }
}

fn refused(error: UserError) -> ExtendHoldPayload {
    ExtendHoldPayload { hold: None, user_errors: vec![error] }
}
