//! `holdBestAvailable`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, Scope, SeatKind, require_scope};

use crate::app::challenge::HoldKey;
use crate::domain::hold::Hold;
use crate::graphql::{
    error::{app, tell_degraded},
    model::{
        hold::{HoldObject, no_such_show, refusal},
        user_error::UserError,
    },
};

/// What to look for and hold.
#[derive(InputObject)]
pub struct HoldBestAvailableInput {
    /// Which show.
    show_id: ID,
    /// How many seats side by side.
    quantity: i32,
    /// Of which kind; any but wheelchair and companion places when nobody says.
    kind: Option<SeatKind>,
    /// Makes it safe to send this again: the same key gives the same hold.
    idempotency_key: String,
    /// The token for a solved challenge, where `Show.challengeRequired`. Good for one hold; a repetition
    /// of the same request needs none.
    challenge_token: Option<String>,
}

/// What came of holding the best seats.
#[derive(SimpleObject)]
pub struct HoldBestAvailablePayload {
    /// The hold.
    hold: Option<HoldObject>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct HoldBestAvailableMutation;

#[Object]
impl HoldBestAvailableMutation {
    /// Chooses the best seats that are free side by side, and keeps them for the caller for some
    /// minutes, to check out.
    #[graphql(directive = Cost::apply(10), requires_scopes = "holds:write")]
    async fn hold_best_available(
        &self,
        ctx: &Context<'_>,
        input: HoldBestAvailableInput,
    ) -> Result<HoldBestAvailablePayload> {
        let user = require_scope(ctx, Scope::HoldsWrite)?;
        let app = app(ctx)?;
        let Ok(show) = input.show_id.parse() else { return Ok(refused(no_such_show())) };
        let show = match app.seats.show_to_hold(show).await {
            Ok(show) => show,
            Err(error) => return Ok(refused(refusal(app, error, None)?)),
        };
        // What is no u16 is refused like zero.
        let quantity = u16::try_from(input.quantity).unwrap_or_default();
        let kind = input.kind.map(Into::into);
        let ask = HoldKey { key: &input.idempotency_key, challenge: input.challenge_token.as_deref() };
        let answer = app.hold_best(user, &show, quantity, kind, ask).await;
        tell_degraded(ctx, app, answer.as_ref().is_ok_and(Hold::is_durable));
        match answer {
            Ok(hold) => {
                let hold = HoldObject::new(&show, &hold, app.config.pricing.rates())?;
                Ok(HoldBestAvailablePayload { hold: Some(hold), user_errors: Vec::new() })
            }
            Err(error) => Ok(refused(refusal(app, error, Some(&show))?)),
        }
    }
}

fn refused(error: UserError) -> HoldBestAvailablePayload {
    HoldBestAvailablePayload { hold: None, user_errors: vec![error] }
}
