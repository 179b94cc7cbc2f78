//! The objects of the API, as they are kept and as they are shown.

mod charge;
mod endpoint;
mod event;
mod intent;
mod refund;

pub(crate) use charge::Charge;
pub(crate) use endpoint::Endpoint;
pub(crate) use event::{API_VERSION, Cause, Event};
pub(crate) use intent::{Intent, IntentStatus};
pub(crate) use refund::{Refund, RefundStatus};

/// A kept object that can be found by id and listed, newest first.
pub(crate) trait Row {
    /// Its id.
    fn id(&self) -> &str;
    /// When it was made, in Unix seconds.
    fn created(&self) -> i64;
    /// Its JSON on the wire.
    fn json(&self) -> serde_json::Value;
}
