//! The usual end of a booking that waits: it is paid in time, and for the first time.
//!
//! What is there is read without locks, `domain/settlement.rs` decides, and one statement does all of
//! it on the condition that nothing has changed meanwhile. So the usual payment takes two round trips
//! and no locks between them. Whatever is not usual is left to [`super::confirm`], which asks again.

use events::Envelope;
use events::payment::PaymentSucceeded;
use platform::HandlerError;
use platform::faults::{mutant, reach};

use super::checkout::seat_numbers;
use super::confirm::{CONSUMER, Changed, Confirmation, captured};
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::payment::PaymentStatus;
use crate::domain::settlement::{Facts, Verdict, decide};
use crate::domain::show::{Show, ShowStatus};
use crate::store::paid::{Sale, payable_get, sale_insert};

impl App {
    /// Confirms the booking that was paid for, when that is all there is to it. `None`, and nothing was
    /// done, when it is not.
    ///
    /// # Errors
    /// When it has to come again.
    pub(super) async fn payment_in_time(
        &self,
        envelope: &Envelope,
        paid: &PaymentSucceeded,
        show: &Show,
    ) -> Result<Option<Changed>, HandlerError> {
        // The deliberate bug publishes between two statements of a transaction.
        if mutant("publish_before_commit") || envelope.key != show.id.uuid() {
            return Ok(None);
        }
        let (pg, payment) = (&self.deps.pg, captured(paid));
        let payable = payable_get(pg, paid.booking_id, payment.id).await.map_err(AppError::from)?;
        let Some(payable) = payable else { return Ok(None) };
        reach("confirm.read").await;
        let verdict = decide(&Facts {
            status: payable.booking.status,
            due: payable.booking.total,
            paid: paid.amount,
            seen: payable.payment == Some(PaymentStatus::Succeeded),
            show_scheduled: payable.show == ShowStatus::Scheduled,
            show_ahead: payable.booking.read_at < show.starts_at,
        });
        if verdict != Verdict::Confirm {
            return Ok(None);
        }
        let Confirmation { booking, tickets, event } =
            self.booking_confirmation(show, &payable.booking, &payable.seats, Vec::new())?;
        let sold = sale_insert(
            pg,
            &Sale {
                before: &payable.booking,
                booking: &booking,
                payment_was: payable.payment,
                payment: &payment,
                tickets: &tickets,
                message: envelope,
                consumer: CONSUMER,
                event: &event,
                cause: &Actor::Provider(paid.provider_event_id.clone()).because(Reason::PaymentSucceeded),
            },
        )
        .await
        .map_err(AppError::from)?;
        if !sold {
            return Ok(None);
        }
        reach("confirm.committed").await;
        Ok(Some(Changed { booking, seats: seat_numbers(&payable.seats) }))
    }
}
