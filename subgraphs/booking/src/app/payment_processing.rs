//! A payment that the provider is working on: the buyer has done their part.
//!
//! It may come twice, late and after what came of the payment: only a payment of which nothing else is
//! known becomes one that is being processed. When the claim of its booking is over, that is asked for
//! again ([`super::overdue`]).

use events::Envelope;
use events::payment::PaymentProcessing;
use platform::HandlerError;
use platform::faults::reach;
use sea_orm::TransactionTrait;

use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::store::bookings::booking_lock;
use crate::store::payments::payment_record_processing;

impl App {
    /// Applies `payment.processing`.
    ///
    /// # Errors
    /// When it has to come again.
    pub async fn payment_processing(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let told: PaymentProcessing = envelope.decode()?;
        Ok(self.payment_processing_record(told).await?)
    }

    async fn payment_processing_record(&self, told: PaymentProcessing) -> Result<(), AppError> {
        let cause = Actor::Provider(told.provider_event_id).because(Reason::PaymentProcessing);
        let booking = told.booking_id;
        let txn = self.deps.pg.begin().await?;
        booking_lock(&txn, booking).await?;
        payment_record_processing(&txn, booking.show(), &[told.payment_id], &cause).await?;
        txn.commit().await?;
        reach("payment_processing.committed").await;
        Ok(())
    }
}
