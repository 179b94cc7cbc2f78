//! Webhooks: every event, signed, to every endpoint that wants it, until it says 2xx.

mod delivery;
mod dispatch;
pub mod signature;

pub(crate) use delivery::{Delivery, Outcome};
pub(crate) use dispatch::{resend, run};
