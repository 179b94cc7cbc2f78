//! Payments of bookings that wait for them.

use events::payment::PaymentSucceeded;
use kernel::{BookingId, Money};
use platform::faults::reach;
use platform::outbox;
use sea_orm::TransactionTrait;

use super::checkout::{CheckedOut, PaymentState};
use super::{App, AppError};
use crate::domain::audit::{Actor, Cause, Reason};
use crate::domain::booking::Booking;
use crate::domain::payment::{Attempt, IntentStatus, Payment, PaymentStatus, payment_id};
use crate::payments::{CALLED_OFF, Intent, IntentOrder};
use crate::store::bookings::{booking_get, booking_lock};
use crate::store::payments::{
    Revision, payment_list, payment_list_revised, payment_record_attempt, payment_record_cancelled,
    payment_record_intent,
};
use crate::store::{SCHEMA, StoreError};

impl App {
    /// The payment of a booking; created at the provider if the booking still waits for one.
    ///
    /// Safe at any time and any number of times: the provider gives the same intent for the same
    /// booking, and the payment's id follows from the intent's. Should the booking end meanwhile,
    /// the payment is called off. A booking that no longer waits is told without the secret that
    /// lets a browser pay.
    pub(crate) async fn payment_ensure(
        &self,
        booking: Booking,
        is_new: bool,
    ) -> Result<CheckedOut, AppError> {
        let known = if is_new { None } else { payment_list(&self.deps.pg, &[booking.id]).await?.pop() };
        if !booking.awaits_payment() {
            return self.payment_late(booking, known).await;
        }
        if let Some(payment) = known.filter(|payment| payment.client_secret.is_some()) {
            return Ok(CheckedOut { booking, payment: PaymentState::Ready(Box::new(payment)) });
        }
        let order = IntentOrder {
            booking: booking.id,
            amount: booking.total,
            description: format!("Booking {}", booking.reference),
        };
        let intent = match self.provider.intent_create(&order).await {
            Ok(intent) => intent,
            Err(error) if error.is_unavailable() => {
                tracing::warn!(booking = %booking.id, %error, "payment not created");
                return Ok(CheckedOut { booking, payment: PaymentState::Unavailable });
            }
            Err(error) => {
                tracing::error!(booking = %booking.id, %error, "payment refused by the provider");
                return Ok(CheckedOut { booking, payment: PaymentState::Unavailable });
            }
        };
        reach("checkout.payment_created").await;
        let payment = self.payment_of(booking.id, intent);
        let cause = Actor::User(booking.user).because(Reason::PaymentCreated);
        let (status, has_lapsed) = payment_record_intent(&self.deps.pg, &payment, &cause).await?;
        reach("checkout.payment_stored").await;
        if status == booking.status && !has_lapsed {
            return Ok(CheckedOut { booking, payment: PaymentState::Ready(Box::new(payment)) });
        }
        let missing = || StoreError::corrupt("booking", booking.id);
        let booking = booking_get(&self.deps.pg, booking.id).await?.ok_or_else(missing)?;
        self.payment_late(booking, Some(payment)).await
    }

    /// The answer about a booking that no longer waits for a payment. One that ended before its
    /// payment was recorded had nothing to call off then, so that is done here, and again at each
    /// repeat until it is done.
    async fn payment_late(
        &self,
        booking: Booking,
        mut payment: Option<Payment>,
    ) -> Result<CheckedOut, AppError> {
        if payment.is_some() && !booking.status.owns_seats() {
            let actor = Actor::User(booking.user);
            if let Err(error) = self.payments_call_off(booking.id, actor).await {
                tracing::error!(booking = %booking.id, %error, "payment of an ended booking not called off");
            }
            payment = payment_list(&self.deps.pg, &[booking.id]).await?.pop();
        }
        let payment = payment.map_or(PaymentState::NotNeeded, |payment| {
            PaymentState::Ready(Box::new(payment.without_secret()))
        });
        Ok(CheckedOut { booking, payment })
    }

    pub(super) fn payment_of(&self, booking: BookingId, intent: Intent) -> Payment {
        Payment {
            id: payment_id(booking.show(), &intent.id),
            booking,
            provider: self.provider.name().to_owned(),
            status: match intent.status {
                IntentStatus::Processing => PaymentStatus::Processing,
                IntentStatus::Cancelled => PaymentStatus::Cancelled,
                // That it succeeded is recorded with its effect, by the event about it.
                IntentStatus::RequiresPayment | IntentStatus::Succeeded => PaymentStatus::RequiresPayment,
            },
            client_secret: intent.client_secret,
            amount: intent.amount,
            intent: intent.id,
        }
    }

    /// That an intent was paid. `source` is the provider's event that told of it, or how else we know.
    pub(super) fn payment_succeeded_event(
        &self,
        booking: BookingId,
        intent: &str,
        amount: Money,
        source: String,
    ) -> PaymentSucceeded {
        PaymentSucceeded {
            payment_id: Some(payment_id(booking.show(), intent)),
            booking_id: booking,
            provider: self.provider.name().to_owned(),
            provider_intent_id: intent.to_owned(),
            amount,
            provider_event_id: source,
        }
    }

    /// Calls off the payments of a booking that ended unpaid, so that late payments become rare.
    ///
    /// When it turns out that one was paid all the same, and its webhook is late or lost, the
    /// payment takes the way that its webhook would have started. One that the provider is working on
    /// is left to what comes of it: a webhook tells, and reconciliation calls off what can be paid again.
    /// `actor` is who calls them off. `true` when one is settled now.
    ///
    /// # Errors
    /// When the store or the provider is away, and when the provider refuses.
    pub async fn payments_call_off(&self, id: BookingId, actor: Actor) -> Result<bool, AppError> {
        let booking = booking_get(&self.deps.pg, id).await?;
        if booking.is_none_or(|booking| booking.status.owns_seats()) {
            return Ok(false);
        }
        let cause = actor.because(Reason::BookingEnded);
        let mut is_done = false;
        for (payment, revision) in payment_list_revised(&self.deps.pg, &[id]).await? {
            if !matches!(payment.status, PaymentStatus::Succeeded | PaymentStatus::Cancelled) {
                is_done |= self.payment_call_off(&payment, revision, &cause).await?;
            }
        }
        Ok(is_done)
    }

    async fn payment_call_off(
        &self,
        payment: &Payment,
        revision: Revision,
        cause: &Cause,
    ) -> Result<bool, AppError> {
        let status = self.intent_call_off(payment).await?;
        let show = payment.booking.show();
        match status {
            IntentStatus::Cancelled => {
                let txn = self.deps.pg.begin().await?;
                booking_lock(&txn, payment.booking).await?;
                payment_record_cancelled(&txn, show, &[payment.id], CALLED_OFF, cause).await?;
                txn.commit().await?;
                Ok(true)
            }
            IntentStatus::Processing => {
                let (seen, cause) = ([(payment.id, Some(revision))], cause.but(Reason::PaymentProcessing));
                let txn = self.deps.pg.begin().await?;
                booking_lock(&txn, payment.booking).await?;
                payment_record_attempt(&txn, show, &seen, &Attempt::Processing, &cause).await?;
                txn.commit().await?;
                Ok(false)
            }
            IntentStatus::Succeeded => Ok(true),
            IntentStatus::RequiresPayment => Ok(false),
        }
    }

    /// Calls an intent off unless the provider is working on it, and tells where it stands then. That it was
    /// paid is told on.
    pub(super) async fn intent_call_off(&self, payment: &Payment) -> Result<IntentStatus, AppError> {
        let listed = self.provider.intent_get(&payment.intent).await?;
        let intent = match listed.map(|listed| listed.intent) {
            // Some kinds of payments can be called off while they are processed. The buyer has done their
            // part.
            Some(intent) if intent.status != IntentStatus::RequiresPayment => intent,
            // A refusal says nothing about the intent (a wrong key of ours, say), so it stays an error
            // until it is repaired: an intent that was paid or called off is an answer, not a refusal.
            _ => self.provider.intent_cancel(&payment.intent).await?,
        };
        reach("call_off.answered").await;
        if intent.status == IntentStatus::Succeeded {
            tracing::warn!(payment = %payment.id, "paid without a webhook so far");
            let source = format!("found:{}", payment.intent);
            let event = self.payment_succeeded_event(payment.booking, &payment.intent, intent.amount, source);
            outbox::append(&self.deps.pg, SCHEMA, &self.envelope(&event)?).await?;
            outbox::wake(SCHEMA);
        }
        Ok(intent.status)
    }
}
