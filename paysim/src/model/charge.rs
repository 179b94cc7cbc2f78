//! Charges: one attempt to collect an intent's amount.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Row;

/// A charge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    /// The test method it was made with; decides what becomes of a refund.
    pub(crate) test_method: String,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) created: i64,
    /// Code, decline code and message, when it failed.
    pub(crate) failure: Option<(String, Option<String>, String)>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) receipt_email: Option<String>,
}

impl Charge {
    /// What is left to refund.
    pub(crate) fn refundable(&self) -> i64 {
        self.amount - self.amount_refunded
    }
}

impl Row for Charge {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn json(&self) -> Value {
        let paid = self.failure.is_none();
        let (code, decline_code, message) =
            self.failure.clone().map_or((None, None, None), |(code, decline_code, message)| {
                (Some(code), decline_code, Some(message))
            });
        let outcome = if paid {
            json!({
                "network_status": "approved_by_network",
                "reason": null,
                "risk_level": "normal",
                "seller_message": "Payment complete.",
                "type": "authorized",
            })
        } else {
            json!({
                "network_status": "declined_by_network",
                "reason": decline_code,
                "risk_level": "normal",
                "seller_message": message,
                "type": "issuer_declined",
            })
        };
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": if paid { self.amount } else { 0 },
            "amount_refunded": self.amount_refunded,
            "balance_transaction": null,
            "captured": paid,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "disputed": false,
            "failure_code": code,
            "failure_message": message,
            "invoice": null,
            "livemode": false,
            "metadata": self.metadata,
            "outcome": outcome,
            "paid": paid,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "payment_method_details": {"type": "card"},
            "receipt_email": self.receipt_email,
            "refunded": self.amount_refunded == self.amount,
            "status": if paid { "succeeded" } else { "failed" },
        })
    }
}
