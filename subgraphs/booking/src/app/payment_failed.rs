//! A payment that was declined or called off at the provider.
//!
//! After a decline the booking keeps waiting: the buyer may try again until the claim lapses, and may have done
//! so before we hear of it ([`super::payment_attempt`]).
//! When the intent was called off no try is left, and the booking ends: as failed, or as expired when it
//! was called off because the claim was over, and whoever did that has not come to ending it.

use events::Envelope;
use events::booking::{BookingExpired, BookingFailed};
use events::payment::PaymentFailed;
use platform::faults::reach;
use platform::{HandlerError, inbox, outbox};
use sea_orm::TransactionTrait;

use super::checkout::seat_numbers;
use super::confirm::CONSUMER;
use super::facts::{booking_facts, show_facts};
use super::payment_attempt::Told;
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{Attempt, payment_id};
use crate::payments::CALLED_OFF;
use crate::store::SCHEMA;
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::booking_lock;
use crate::store::payments::payment_record_cancelled;
use crate::store::sales::booking_release;

impl App {
    /// Applies `payment.failed`.
    ///
    /// # Errors
    /// When it has to come again.
    pub async fn payment_failed(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let failed: PaymentFailed = envelope.decode()?;
        let (is_new, outcome) = if failed.cancelled {
            (self.payment_cancelled(envelope, &failed).await?, "cancelled")
        } else {
            (self.payment_declined(envelope, &failed).await?, "declined")
        };
        if is_new {
            metrics::counter!("booking_payments_total", "outcome" => outcome).increment(1);
        }
        Ok(())
    }

    async fn payment_declined(
        &self,
        envelope: &Envelope,
        failed: &PaymentFailed,
    ) -> Result<bool, HandlerError> {
        let told = Told {
            payment: payment_id(failed.booking_id.show(), &failed.provider_intent_id),
            booking: failed.booking_id,
            intent: &failed.provider_intent_id,
            attempt: Attempt::Failed(failed.reason.clone()),
            cause: Actor::Provider(failed.provider_event_id.clone()).because(Reason::PaymentFailed),
        };
        let is_new = self.payment_attempt(envelope, &told).await?;
        reach("payment_failed.committed").await;
        Ok(is_new)
    }

    /// `false` when it was taken in before.
    async fn payment_cancelled(
        &self,
        envelope: &Envelope,
        failed: &PaymentFailed,
    ) -> Result<bool, HandlerError> {
        let id = failed.booking_id;
        let show = self.show(id.show()).await?;
        let txn = self.deps.pg.begin().await?;
        if !inbox::record(&txn, SCHEMA, CONSUMER, envelope).await? {
            txn.rollback().await?;
            return Ok(false);
        }
        let Some(booking) = booking_lock(&txn, id).await.map_err(AppError::from)? else {
            // No money moved, so there is nothing that a person would have to look at.
            tracing::warn!(booking = %id, "a cancelled payment for an unknown booking");
            return Ok(false);
        };
        let payment = payment_id(id.show(), &failed.provider_intent_id);
        let cause = Actor::Provider(failed.provider_event_id.clone()).because(Reason::PaymentCancelled);
        payment_record_cancelled(&txn, show.id, &[payment], &failed.reason, &cause)
            .await
            .map_err(AppError::from)?;
        let mut ended = None;
        if booking.status == BookingStatus::PendingPayment {
            let seats = booking_seats(&txn, id).await.map_err(AppError::from)?;
            let has_lapsed = failed.reason == CALLED_OFF;
            let (to, cause) = if has_lapsed {
                (BookingStatus::Expired, cause.but(Reason::ClaimLapsed))
            } else {
                (BookingStatus::Failed, cause)
            };
            let booking = booking.advance(to).map_err(AppError::from)?;
            booking_release(&txn, show.id, std::slice::from_ref(&booking), &cause)
                .await
                .map_err(AppError::from)?;
            let (facts, show) = (booking_facts(&show, &booking, &seats), show_facts(&show));
            let event = if has_lapsed {
                self.envelope(&BookingExpired { booking: facts, show })?
            } else {
                self.envelope(&BookingFailed { booking: facts, show, reason: failed.reason.clone() })?
            };
            outbox::append(&txn, SCHEMA, &event).await?;
            ended = Some((booking, seat_numbers(&seats)));
        }
        reach("payment_failed.updated").await;
        txn.commit().await?;
        reach("payment_failed.committed").await;
        if let Some((booking, seats)) = ended {
            outbox::wake(SCHEMA);
            if booking.status == BookingStatus::Expired {
                metrics::counter!("booking_claims_expired_total").increment(1);
            }
            self.announce(&booking, &seats).await;
        }
        Ok(true)
    }
}
