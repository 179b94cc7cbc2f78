//! Webhooks of the payment provider: believed when signed, taken in once, answered at once.
//!
//! The message and the event that carries it on are stored by one statement. What it means is
//! worked out from the queue: in any order, any number of times.

use events::Envelope;
use events::payment::{PaymentFailed, PaymentProcessing, RefundSettled};
use kernel::ShowId;
use platform::faults::reach;
use platform::outbox;
use platform::telemetry::{TARGET, current_trace, in_span};
use secrecy::ExposeSecret;

use super::{App, AppError};
use crate::domain::payment::payment_id;
use crate::domain::signature::{self, SignatureError};
use crate::payments::{Notice, NoticeError, parse_notice};
use crate::store::SCHEMA;
use crate::store::payments::payment_trace;
use crate::store::provider_events::provider_event_insert;

/// Why a webhook was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It is not from the provider, or too old.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is from the provider, but it is no event.
    #[error(transparent)]
    Malformed(#[from] NoticeError),
    /// It could not be stored: the provider has to send it again.
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// Takes in a webhook.
    ///
    /// # Errors
    /// [`WebhookError`]. A repeat, and a message that does not concern us, are no errors.
    pub async fn webhook_accept(&self, signature: &str, body: &[u8]) -> Result<(), WebhookError> {
        let outcome = self.webhook_take(signature, body).await;
        let label = match &outcome {
            Ok(label) => label,
            Err(WebhookError::Signature(_)) => "bad_signature",
            Err(WebhookError::Malformed(_)) => "malformed",
            Err(WebhookError::App(_)) => "error",
        };
        metrics::counter!("booking_webhooks_total", "outcome" => label).increment(1);
        outcome.map(drop)
    }

    async fn webhook_take(&self, signature: &str, body: &[u8]) -> Result<&'static str, WebhookError> {
        // By our own clock: nothing is kept of a webhook that is refused, and the provider sends it again.
        let now = self.deps.clock.now();
        let payments = &self.config.payments;
        let secrets = payments.webhook_secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        signature::verify(signature, body, secrets, now.timestamp(), payments.webhook_tolerance_seconds)?;
        reach("webhook.verified").await;
        let (id, kind, notice) = parse_notice(body)?;
        let Some(notice) = notice else {
            tracing::debug!(event = id, kind, "a webhook that does not concern us");
            return Ok("ignored");
        };
        let span = tracing::info_span!(target: TARGET, "webhook", otel.name = format_args!("webhook {kind}"));
        let known = if span.is_disabled() { None } else { self.webhook_trace(&notice).await };
        let trace = known.or_else(current_trace);
        in_span(span, trace, self.webhook_store(notice, &id, &kind)).await
    }

    /// The trace of the checkout that this is about: the provider knows nothing of it. Nothing
    /// depends on it.
    async fn webhook_trace(&self, notice: &Notice) -> Option<String> {
        let (Notice::Paid { booking, intent, .. }
        | Notice::Processing { booking, intent }
        | Notice::NotPaid { booking, intent, .. }) = notice
        else {
            return None;
        };
        payment_trace(&self.deps.pg, payment_id(booking.show(), intent)).await.ok().flatten()
    }

    async fn webhook_store(
        &self,
        notice: Notice,
        id: &str,
        kind: &str,
    ) -> Result<&'static str, WebhookError> {
        let (show, envelope) = self.webhook_event(notice, id)?;
        let provider = self.provider.name();
        let stored = provider_event_insert(&self.deps.pg, show, provider, id, kind, &envelope).await;
        if !stored.map_err(AppError::from)? {
            return Ok("repeated");
        }
        outbox::wake(SCHEMA);
        reach("webhook.committed").await;
        tracing::info!(event = id, kind, "webhook stored");
        Ok("stored")
    }

    fn webhook_event(&self, notice: Notice, id: &str) -> Result<(ShowId, Envelope), AppError> {
        let provider = self.provider.name().to_owned();
        let provider_event_id = id.to_owned();
        Ok(match notice {
            Notice::Paid { booking, intent, amount } => {
                let event = self.payment_succeeded_event(booking, &intent, amount, provider_event_id);
                (booking.show(), self.envelope(&event)?)
            }
            Notice::Processing { booking, intent } => {
                let event = PaymentProcessing {
                    payment_id: payment_id(booking.show(), &intent),
                    booking_id: booking,
                    provider,
                    provider_intent_id: intent,
                    provider_event_id,
                };
                (booking.show(), self.envelope(&event)?)
            }
            Notice::NotPaid { booking, intent, reason, cancelled } => {
                let event = PaymentFailed {
                    payment_id: Some(payment_id(booking.show(), &intent)),
                    booking_id: booking,
                    provider,
                    provider_intent_id: intent,
                    reason,
                    cancelled,
                    provider_event_id,
                };
                (booking.show(), self.envelope(&event)?)
            }
            Notice::Refunded { refund, provider_refund, failure } => {
                let event = RefundSettled {
                    refund_id: refund,
                    provider_refund_id: provider_refund,
                    succeeded: failure.is_none(),
                    failure,
                };
                (refund.show(), self.envelope(&event)?)
            }
        })
    }
}
