//! Events: what happened, with a snapshot of the object it happened to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Row;

/// The version of Stripe's API whose shapes the sandbox follows.
pub(crate) const API_VERSION: &str = "2024-06-20";

/// The request that caused an event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cause {
    /// `req_…`; absent for what the provider does by itself.
    pub(crate) id: Option<String>,
    /// The idempotency key that came with it.
    pub(crate) idempotency_key: Option<String>,
}

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) created: i64,
    pub(crate) object: Value,
    pub(crate) cause: Cause,
    /// Deliveries that have not been answered with 2xx yet.
    pub(crate) pending: usize,
}

impl Row for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": {"object": self.object},
            "livemode": false,
            "pending_webhooks": self.pending,
            "request": self.cause,
            "type": self.kind,
        })
    }
}
