//! `Payment`.

use async_graphql::{Enum, ID, SimpleObject};
use graphql_kit::MoneyObject;

use crate::config::PaymentsConfig;
use crate::domain::payment;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "payment::PaymentStatus")]
pub enum PaymentStatus {
    /// The buyer has to act.
    RequiresPayment,
    /// The provider is working on it.
    Processing,
    /// The money arrived.
    Succeeded,
    /// The last attempt was declined; another is possible while the booking waits.
    Failed,
    /// Called off: it can never succeed.
    Cancelled,
}

/// How a booking is paid: at the provider, by the buyer's own browser.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "Payment")]
pub struct PaymentObject {
    /// Opaque, starts with `payment_`.
    pub id: ID,
    /// Which provider: `stripe`, or what speaks its language.
    pub provider: String,
    /// The provider's id of the payment.
    pub provider_intent_id: String,
    /// Lets a browser pay this one payment at the provider.
    pub client_secret: Option<String>,
    /// The key for the provider's code in the browser.
    pub publishable_key: Option<String>,
    /// A page to pay at, when there is one.
    pub pay_url: Option<String>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much.
    pub amount: MoneyObject,
}

impl PaymentObject {
    pub(crate) fn new(payment: payment::Payment, config: &PaymentsConfig) -> Self {
        Self {
            id: ID(payment.id.to_string()),
            pay_url: payment
                .client_secret
                .as_deref()
                .and_then(|secret| config.pay_url(&payment.intent, secret)),
            provider: payment.provider,
            provider_intent_id: payment.intent,
            client_secret: payment.client_secret,
            publishable_key: Some(config.publishable_key.clone()).filter(|key| !key.is_empty()),
            status: payment.status.into(),
            amount: payment.amount.into(),
        }
    }
}
