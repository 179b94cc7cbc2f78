//! Queue `payments.refunds`: asks the provider to give money back.

use std::sync::Arc;

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue};

use crate::app::App;

pub(super) const QUEUE: Queue =
    Queue { name: "payments.refunds", bindings: &["refund.requested"], lanes: 8, prefetch: 32 };

pub(super) struct Refunds(pub Arc<App>);

#[async_trait]
impl Handler for Refunds {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        self.0.refund_execute(event).await
    }
}
