//! Queue `booking.payments`: what the provider's webhooks said.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use events::payment::{PaymentFailed, PaymentProcessing, PaymentSucceeded, RefundSettled};
use platform::{Handler, HandlerError, Queue};

use crate::app::App;

pub(super) const QUEUE: Queue = Queue {
    name: "booking.payments",
    bindings: &["payment.succeeded", "payment.processing", "payment.failed", "refund.settled"],
    // Many, so that many are settled together; those of one show come one by one.
    lanes: 64,
    prefetch: 256,
};

pub(super) struct Payments(pub Arc<App>);

#[async_trait]
impl Handler for Payments {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        if event.is::<PaymentSucceeded>() {
            self.0.payment_succeeded(event).await
        } else if event.is::<PaymentProcessing>() {
            self.0.payment_processing(event).await
        } else if event.is::<PaymentFailed>() {
            self.0.payment_failed(event).await
        } else if event.is::<RefundSettled>() {
            self.0.refund_settled(event).await
        } else {
            Err(HandlerError::reject(format!("not about payments: {}", event.name)))
        }
    }
}
