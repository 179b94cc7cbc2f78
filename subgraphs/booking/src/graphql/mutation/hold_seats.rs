//! `holdSeats`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, Scope, require_scope, user_error::InvalidInputError};
use kernel::SeatId;

use crate::app::challenge::HoldKey;
use crate::domain::hold::Hold;
use crate::graphql::{
    error::{app, tell_degraded},
    model::{
        hold::{HoldObject, no_such_show, refusal},
        user_error::UserError,
    },
};

/// What to hold.
#[derive(InputObject)]
pub struct HoldSeatsInput {
    /// Which show.
    show_id: ID,
    /// Which seats; all of them are held, or none.
    seat_ids: Vec<ID>,
    /// Makes it safe to send this again: the same key gives the same hold.
    idempotency_key: String,
    /// The token for a solved challenge, where `Show.challengeRequired`. Good for one hold; a repetition
    /// of the same request needs none.
    challenge_token: Option<String>,
}

/// What came of holding seats.
#[derive(SimpleObject, Default)]
pub struct HoldSeatsPayload {
    /// The hold.
    hold: Option<HoldObject>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct HoldSeatsMutation;

#[Object]
impl HoldSeatsMutation {
    /// Keeps seats for the caller for some minutes, to check out.
    #[graphql(directive = Cost::apply(10), requires_scopes = "holds:write")]
    async fn hold_seats(&self, ctx: &Context<'_>, input: HoldSeatsInput) -> Result<HoldSeatsPayload> {
        let user = require_scope(ctx, Scope::HoldsWrite)?;
        let app = app(ctx)?;
        let Ok(show) = input.show_id.parse() else { return Ok(refused(no_such_show())) };
        let mut seats: Vec<SeatId> = Vec::with_capacity(input.seat_ids.len());
        for id in &input.seat_ids {
            match id.parse() {
                Ok(seat) => seats.push(seat),
                Err(error) => {
                    let error = InvalidInputError::new(error.to_string()).at(&["input", "seatIds"]);
                    return Ok(refused(error.into()));
                }
            }
        }
        let show = match app.seats.show_to_hold(show).await {
            Ok(show) => show,
            Err(error) => return Ok(refused(refusal(app, error, None)?)),
        };
        let ask = HoldKey { key: &input.idempotency_key, challenge: input.challenge_token.as_deref() };
        let answer = app.hold_chosen(user, &show, &seats, ask).await;
        tell_degraded(ctx, app, answer.as_ref().is_ok_and(Hold::is_durable));
        match answer {
            Ok(hold) => {
                let hold = HoldObject::new(&show, &hold, app.config.pricing.rates())?;
                Ok(HoldSeatsPayload { hold: Some(hold), user_errors: Vec::new() })
            }
            Err(error) => Ok(refused(refusal(app, error, Some(&show))?)),
        }
    }
}

fn refused(error: UserError) -> HoldSeatsPayload {
    HoldSeatsPayload { hold: None, user_errors: vec![error] }
}
