//! The payment provider, behind a trait: one of the few outside effects.
//!
//! No card data ever comes here: a buyer pays at the provider, with the client secret of an
//! intent that we created.

mod attempts;
mod breaker;
mod error;
mod list;
mod notice;
mod stripe;
mod stripe_wire;

use async_trait::async_trait;
use kernel::{BookingId, Money, RefundId};

pub use error::ProviderError;
pub use list::{ListedIntent, ListedRefund, Page, Range};
pub use notice::{Notice, NoticeError, parse_notice};
pub use stripe::Stripe;

use crate::domain::payment::{IntentStatus, RefundOutcome};

/// Calls to the provider, by operation and outcome.
const CALLS: &str = "payment_provider_calls_total";
/// Why we call intents off, in the provider's words. Its message about that says so, too.
pub const CALLED_OFF: &str = "abandoned";

/// What to collect.
#[derive(Debug, Clone)]
pub struct IntentOrder {
    /// What it pays for; also the idempotency key, so that asking again gives the same intent.
    pub booking: BookingId,
    /// How much.
    pub amount: Money,
    /// What the buyer's statement or the provider's console shows.
    pub description: String,
}

/// An intent as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id.
    pub id: String,
    /// What the buyer's browser needs.
    pub client_secret: Option<String>,
    /// Where it stands.
    pub status: IntentStatus,
    /// What was collected when it succeeded, else what is to be collected.
    pub amount: Money,
}

/// What to give back.
#[derive(Debug, Clone)]
pub struct RefundOrder {
    /// Our refund; also the idempotency key.
    pub refund: RefundId,
    /// Its booking.
    pub booking: BookingId,
    /// The intent that collected the money.
    pub intent: String,
    /// How much of it.
    pub amount: Money,
}

/// A refund as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's id.
    pub id: String,
    /// How it stands.
    pub outcome: RefundOutcome,
}

/// What booking wants of a payment provider. Every call may be repeated.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    /// The name under which payments are recorded.
    fn name(&self) -> &'static str;

    /// Creates an intent, or gives the one that this booking already has.
    async fn intent_create(&self, order: &IntentOrder) -> Result<Intent, ProviderError>;

    /// Calls an intent off unless it was paid, and tells where it stands then. Some kinds of payments are
    /// called off while the provider is working on them.
    async fn intent_cancel(&self, intent: &str) -> Result<Intent, ProviderError>;

    /// Gives money back, or tells of the refund that this order already made.
    async fn refund_create(&self, order: &RefundOrder) -> Result<ProviderRefund, ProviderError>;

    /// Looks for the refund that this order made long ago: providers forget idempotency keys
    /// (Stripe after 24 hours).
    async fn refund_find(&self, order: &RefundOrder) -> Result<Option<ProviderRefund>, ProviderError>;

    /// A page of all intents, ours or not, newest first.
    async fn intent_list(&self, range: &Range<'_>) -> Result<Page<ListedIntent>, ProviderError>;

    /// One intent; none when the provider knows no such.
    async fn intent_get(&self, id: &str) -> Result<Option<ListedIntent>, ProviderError>;

    /// A page of all refunds, ours or not, newest first.
    async fn refund_list(&self, range: &Range<'_>) -> Result<Page<ListedRefund>, ProviderError>;

    /// One refund; none when the provider knows no such.
    async fn refund_get(&self, id: &str) -> Result<Option<ListedRefund>, ProviderError>;
}
