//! What is told of an attempt at a payment: it is being processed, or it failed.
//!
//! The buyer may try again after a failure, and messages come twice, late and in any order. The first of a
//! payment is believed, and so is one that says what is known. One that says the opposite is later than what
//! is known, or older: only the provider knows, so it is asked where the payment stands.
//!
//! * That takes time, so it happens outside of any transaction, and counts only if nobody has written to the
//!   payment meanwhile.
//! * The provider cannot be asked: others wait in the same lane, so the message does not, and the payment
//!   counts as being processed. When the claim of its booking is over the provider is asked again, and
//!   nothing is called off before ([`super::overdue`]).
//! * The process dies before the commit: nothing happened, the message comes again. After it: nothing is left
//!   to do.

use std::time::Duration;

use events::Envelope;
use kernel::{BookingId, PaymentId};
use platform::faults::reach;
use platform::{HandlerError, inbox};
use sea_orm::TransactionTrait;
use tokio::time::timeout;

use super::confirm::CONSUMER;
use super::{App, AppError};
use crate::domain::audit::Cause;
use crate::domain::payment::{Attempt, IntentStatus};
use crate::store::SCHEMA;
use crate::store::bookings::booking_lock;
use crate::store::payments::payment_record_attempt;

/// So often somebody may write to a payment while the provider is asked about it.
const TRIES: u32 = 4;
/// How long the messages behind this one wait for what the provider says.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// A message about an attempt at a payment.
pub(super) struct Told<'a> {
    pub(super) payment: PaymentId,
    pub(super) booking: BookingId,
    /// The provider's id of the payment.
    pub(super) intent: &'a str,
    pub(super) attempt: Attempt,
    pub(super) cause: Cause,
}

impl App {
    /// Applies a message about an attempt. `false` when it was taken in before.
    ///
    /// # Errors
    /// When it has to come again.
    pub(super) async fn payment_attempt(
        &self,
        envelope: &Envelope,
        told: &Told<'_>,
    ) -> Result<bool, HandlerError> {
        let Told { payment, booking, intent, attempt, cause } = told;
        let mut seen = None;
        for _ in 0..TRIES {
            let txn = self.deps.pg.begin().await?;
            if !inbox::record(&txn, SCHEMA, CONSUMER, envelope).await? {
                txn.rollback().await?;
                return Ok(false);
            }
            booking_lock(&txn, *booking).await.map_err(AppError::from)?;
            let unclear = payment_record_attempt(&txn, booking.show(), &[(*payment, seen)], attempt, cause)
                .await
                .map_err(AppError::from)?;
            let Some((_, revision)) = unclear.first() else {
                reach("payment_attempt.updated").await;
                txn.commit().await?;
                return Ok(true);
            };
            txn.rollback().await?;
            if !attempt.is_latest(self.intent_standing(intent).await) {
                tracing::info!(%payment, told = attempt.status().as_str(), "told late");
                return Ok(true);
            }
            seen = Some(*revision);
        }
        Err(HandlerError::retry("the payment does not stand still"))
    }

    /// Where an intent stands now; none when the provider does not say.
    async fn intent_standing(&self, intent: &str) -> Option<IntentStatus> {
        match timeout(OTHERS_WAIT, self.provider.intent_get(intent)).await {
            Ok(Ok(listed)) => listed.map(|listed| listed.intent.status),
            Ok(Err(error)) => {
                tracing::warn!(intent, %error, "not known where the payment stands");
                None
            }
            Err(_) => {
                tracing::warn!(intent, "not known in time where the payment stands");
                None
            }
        }
    }
}
