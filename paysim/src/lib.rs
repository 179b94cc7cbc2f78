//! `paysim`: a payment provider for development and tests.
//!
//! It speaks the part of Stripe's HTTP API that Marquee uses (payment intents, refunds, events,
//! signed webhooks, idempotency keys), so that the same client code runs against it and against
//! the real provider; only the base URL differs. Beside `/v1` it has:
//!
//! - `/pay/{intent}`: a page on which a person plays the buyer,
//! - `/sandbox/…`: switches that make the API and the webhooks misbehave on demand,
//! - `/health`.
//!
//! It knows named test payment methods only (`pm_card_visa`, …). There is no field in which a card
//! number could be sent, so none is ever stored.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use paysim::{Paysim, PaysimConfig, WebhookTarget};
//!
//! let sandbox = Paysim::start(PaysimConfig {
//!     webhooks: vec![WebhookTarget::new("http://127.0.0.1:4002/webhooks/stripe", "whsec_demo")],
//!     ..PaysimConfig::default()
//! })
//! .await?;
//! let api_base = sandbox.base_url();
//! # Ok(()) }
//! ```

mod api;
mod app;
mod behaviour;
mod cards;
mod config;
mod currency;
mod edge;
mod error;
mod form;
mod ledger;
mod model;
mod page;
mod sandbox;
mod source;
mod webhook;

pub use app::{Paysim, PaysimHandle};
pub use behaviour::{ApiBehaviour, Behaviour, RefundBehaviour, RefundOutcome, WebhookBehaviour};
pub use config::{PaysimConfig, RetryPolicy, WebhookTarget};
pub use webhook::signature;
