//! A payment that the provider is working on: the buyer has done their part.
//!
//! It may come twice, late and after what came of the payment ([`super::payment_attempt`]). When the claim of
//! its booking is over, that is asked for again ([`super::overdue`]).

use events::Envelope;
use events::payment::PaymentProcessing;
use platform::HandlerError;
use platform::faults::reach;

use super::App;
use super::payment_attempt::Told;
use crate::domain::audit::{Actor, Reason};
use crate::domain::payment::Attempt;

impl App {
    /// Applies `payment.processing`.
    ///
    /// # Errors
    /// When it has to come again.
    pub async fn payment_processing(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let processing: PaymentProcessing = envelope.decode()?;
        let told = Told {
            payment: processing.payment_id,
            booking: processing.booking_id,
            intent: &processing.provider_intent_id,
            attempt: Attempt::Processing,
            cause: Actor::Provider(processing.provider_event_id.clone()).because(Reason::PaymentProcessing),
        };
        self.payment_attempt(envelope, &told).await?;
        reach("payment_processing.committed").await;
        Ok(())
    }
}
