//! `checkout`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::user_error::{ConflictError, LimitExceededError, NotFoundError};
use graphql_kit::{ApiError, Cost, Scope, require_scope};

use crate::app::checkout::{CheckedOut, CheckoutError, CheckoutRequest, PaymentState};
use crate::graphql::error::{app, fault, tell_degraded};
use crate::graphql::model::booking::BookingObject;
use crate::graphql::model::hold::{SeatsUnavailableError, allotment_message};
use crate::graphql::model::payment::PaymentObject;
use crate::graphql::model::user_error::{
    HoldExpiredError, PaymentUnavailableError, ShowClosedError, UserError, invalid_key,
};

/// What to check out.
#[derive(InputObject)]
pub struct CheckoutInput {
    /// A hold of the caller.
    hold_id: ID,
    /// Makes it safe to send this again: the same key gives the same booking.
    idempotency_key: String,
    /// Should the payment come when the time of the booking is over and others have its seats: true takes
    /// as many other seats for it, of the same kinds and as much together, the nearest that are free, at
    /// the prices that were booked; false has the money back, as is done when there are no such seats. What
    /// the first checkout of a hold says is what counts.
    #[graphql(default)]
    accept_equivalent_seats: bool,
}

/// What came of `checkout`.
#[derive(SimpleObject, Default)]
pub struct CheckoutPayload {
    /// The booking, waiting for its payment.
    booking: Option<BookingObject>,
    /// How to pay for it; null when there is nothing to pay.
    payment: Option<PaymentObject>,
    /// Why something is missing.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct CheckoutMutation;

#[Object]
impl CheckoutMutation {
    /// Turns a hold into a booking that keeps its seats while it is paid, at prices that no longer
    /// change.
    #[graphql(directive = Cost::apply(20), requires_scopes = "bookings:write")]
    async fn checkout(&self, ctx: &Context<'_>, input: CheckoutInput) -> Result<CheckoutPayload> {
        let who = require_scope(ctx, Scope::BookingsWrite)?.clone();
        let app = app(ctx)?;
        let Ok(hold) = input.hold_id.parse() else { return Ok(refused(no_such_hold())) };
        let request = CheckoutRequest {
            who,
            hold,
            idempotency_key: input.idempotency_key,
            accept_equivalent: input.accept_equivalent_seats,
        };
        let answer = app.checkout(&request).await;
        tell_degraded(ctx, app, false);
        match answer {
            Ok(CheckedOut { booking, payment }) => {
                let mut payload =
                    CheckoutPayload { booking: Some(BookingObject(booking)), ..CheckoutPayload::default() };
                match payment {
                    PaymentState::Ready(payment) => {
                        payload.payment = Some(PaymentObject::new(*payment, &app.config.payments));
                    }
                    PaymentState::NotNeeded => {}
                    PaymentState::Unavailable => payload.user_errors.push(payment_unavailable()),
                }
                Ok(payload)
            }
            Err(CheckoutError::App(error)) => Err(fault(error)),
            Err(error @ CheckoutError::Forbidden) => Err(ApiError::forbidden(error.to_string()).into()),
            Err(error) => Ok(refused(refusal(error))),
        }
    }
}

fn refused(error: UserError) -> CheckoutPayload {
    CheckoutPayload { user_errors: vec![error], ..CheckoutPayload::default() }
}

fn refusal(error: CheckoutError) -> UserError {
    match error {
        CheckoutError::InvalidKey => invalid_key(),
        CheckoutError::HoldNotFound | CheckoutError::Forbidden | CheckoutError::App(_) => no_such_hold(),
        CheckoutError::OverAllotment { max } => LimitExceededError::new(allotment_message(max)).into(),
        CheckoutError::HoldExpired => {
            HoldExpiredError::new("the hold has expired; choose seats again").at(&["input", "holdId"]).into()
        }
        CheckoutError::ShowClosed => {
            ShowClosedError::new("the show was cancelled or has begun; its seats are no longer sold").into()
        }
        CheckoutError::SeatsTaken { show, seats } => SeatsUnavailableError::taken(&show, &seats).into(),
        CheckoutError::KeyReused => ConflictError::idempotency_key_reused().into(),
    }
}

fn no_such_hold() -> UserError {
    NotFoundError::new("you have no such hold").at(&["input", "holdId"]).into()
}

fn payment_unavailable() -> UserError {
    PaymentUnavailableError::new(
        "the payment could not be prepared; the seats stay yours until the booking expires: \
         send the same checkout again, with the same idempotencyKey",
    )
    .into()
}
