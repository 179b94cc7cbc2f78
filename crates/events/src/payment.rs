//! What becomes of payments and refunds.

use kernel::{BookingId, Money, PaymentId, RefundId};
use serde::{Deserialize, Serialize};

use crate::booking::RefundCause;

/// `payment.succeeded`: the provider has the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSucceeded {
    /// The payment, when it could be told from the provider's message.
    pub payment_id: Option<PaymentId>,
    /// What it pays for.
    pub booking_id: BookingId,
    /// Which provider: `stripe`.
    pub provider: String,
    /// The provider's name for the payment.
    pub provider_intent_id: String,
    /// How much was paid.
    pub amount: Money,
    /// The provider's name for the message that said so.
    pub provider_event_id: String,
}

/// `payment.processing`: the buyer has done their part, and the provider is working on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentProcessing {
    /// The payment.
    pub payment_id: PaymentId,
    /// What it is to pay for.
    pub booking_id: BookingId,
    /// Which provider: `stripe`.
    pub provider: String,
    /// The provider's name for the payment.
    pub provider_intent_id: String,
    /// The provider's name for the message that said so.
    pub provider_event_id: String,
}

/// `payment.failed`: an attempt to pay was refused, or the payment was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The payment, when it could be told from the provider's message.
    pub payment_id: Option<PaymentId>,
    /// What it should have paid for.
    pub booking_id: BookingId,
    /// Which provider: `stripe`.
    pub provider: String,
    /// The provider's name for the payment.
    pub provider_intent_id: String,
    /// The provider's code for the reason, such as `card_declined`.
    pub reason: String,
    /// Whether no further attempt is possible.
    pub cancelled: bool,
    /// The provider's name for the message that said so.
    pub provider_event_id: String,
}

/// `refund.requested`: money is to go back; the provider is yet to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// The refund; also the idempotency key at the provider.
    pub refund_id: RefundId,
    /// Of which booking.
    pub booking_id: BookingId,
    /// The provider's name for the payment to give back.
    pub provider_intent_id: String,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: RefundCause,
}

/// `refund.settled`: the provider has paid back, or has said that it will not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSettled {
    /// The refund.
    pub refund_id: RefundId,
    /// The provider's name for it.
    pub provider_refund_id: String,
    /// Whether the money is on its way back.
    pub succeeded: bool,
    /// The provider's code for the reason, when it is not.
    pub failure: Option<String>,
}

crate::events! {
    PaymentSucceeded "payment.succeeded" v 1 by |e| e.booking_id.show().uuid();
    PaymentProcessing "payment.processing" v 1 by |e| e.booking_id.show().uuid();
    PaymentFailed "payment.failed" v 1 by |e| e.booking_id.show().uuid();
    RefundRequested "refund.requested" v 1 by |e| e.refund_id.show().uuid();
    RefundSettled "refund.settled" v 1 by |e| e.refund_id.show().uuid();
}
