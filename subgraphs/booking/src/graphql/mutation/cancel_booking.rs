//! `cancelBooking`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::user_error::{ConflictError, NotFoundError};
use graphql_kit::{ApiError, Cost, Scope, require_scope};

use crate::app::cancel::{CancelError, CancelRequest, Cancelled};
use crate::graphql::error::{app, fault};
use crate::graphql::model::booking::BookingObject;
use crate::graphql::model::refund::RefundObject;
use crate::graphql::model::user_error::{BookingEndedError, CancellationClosedError, UserError, invalid_key};

/// What to cancel.
#[derive(InputObject)]
pub struct CancelBookingInput {
    /// A booking of the caller.
    booking_id: ID,
    /// Makes it safe to send this again: there is one refund, however often it is sent.
    idempotency_key: String,
}

/// What came of `cancelBooking`.
#[derive(SimpleObject, Default)]
pub struct CancelBookingPayload {
    /// The cancelled booking.
    booking: Option<BookingObject>,
    /// What goes back; null when nothing was paid.
    refund: Option<RefundObject>,
    /// Why it was not cancelled.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct CancelBookingMutation;

#[Object]
impl CancelBookingMutation {
    /// Gives up a booking. Until 24 hours before the show everything comes back, until 2 hours
    /// before it one half; later it cannot be cancelled. When the theater cancelled the show,
    /// everything comes back.
    #[graphql(directive = Cost::apply(20), requires_scopes = "bookings:write")]
    async fn cancel_booking(
        &self,
        ctx: &Context<'_>,
        input: CancelBookingInput,
    ) -> Result<CancelBookingPayload> {
        let who = require_scope(ctx, Scope::BookingsWrite)?.clone();
        let Ok(booking) = input.booking_id.parse() else { return Ok(refused(no_such_booking())) };
        let request = CancelRequest { who, booking, idempotency_key: input.idempotency_key };
        match app(ctx)?.booking_cancel(&request).await {
            Ok(Cancelled { booking, refund }) => Ok(CancelBookingPayload {
                booking: Some(BookingObject(booking)),
                refund: refund.map(RefundObject::from),
                user_errors: Vec::new(),
            }),
            Err(CancelError::App(error)) => Err(fault(error)),
            Err(error @ CancelError::Forbidden) => Err(ApiError::forbidden(error.to_string()).into()),
            Err(error) => Ok(refused(refusal(error))),
        }
    }
}

fn refused(error: UserError) -> CancelBookingPayload {
    CancelBookingPayload { user_errors: vec![error], ..CancelBookingPayload::default() }
}

fn refusal(error: CancelError) -> UserError {
    match error {
        CancelError::InvalidKey => invalid_key(),
        CancelError::NotFound | CancelError::Forbidden | CancelError::App(_) => no_such_booking(),
        CancelError::Closed { until } => CancellationClosedError {
            message: "it is less than two hours to the show; the booking can no longer be cancelled"
                .to_owned(),
            code: "CANCELLATION_CLOSED".to_owned(),
            path: Some(vec!["input".to_owned(), "bookingId".to_owned()]),
            closed_at: until,
        }
        .into(),
        CancelError::Ended => {
            BookingEndedError::new("the booking ended before it was paid; there is nothing to cancel")
                .at(&["input", "bookingId"])
                .into()
        }
        CancelError::KeyReused => ConflictError::idempotency_key_reused().into(),
    }
}

fn no_such_booking() -> UserError {
    NotFoundError::new("you have no such booking").at(&["input", "bookingId"]).into()
}
