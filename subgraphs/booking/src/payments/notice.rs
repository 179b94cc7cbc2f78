//! Webhooks, as far as we read them. Source: <https://docs.stripe.com/api/events/types>.

use kernel::{BookingId, Money, RefundId};
use serde::Deserialize;
use serde_json::Value;

use super::ProviderRefund;
use super::stripe_wire::{WireIntent, WireRefund, money};
use crate::domain::payment::RefundOutcome;

/// What a webhook tells us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An intent collected its money.
    Paid {
        /// What it paid for.
        booking: BookingId,
        /// The provider's id of the intent.
        intent: String,
        /// What was collected.
        amount: Money,
    },
    /// The buyer has done their part, and the provider is working on it.
    Processing {
        /// What it is to pay for.
        booking: BookingId,
        /// The provider's id of the intent.
        intent: String,
    },
    /// An attempt failed, or the intent was called off.
    NotPaid {
        /// What it should have paid for.
        booking: BookingId,
        /// The provider's id of the intent.
        intent: String,
        /// The provider's code.
        reason: String,
        /// No further attempt is possible.
        cancelled: bool,
    },
    /// A refund came to its end.
    Refunded {
        /// Our refund.
        refund: RefundId,
        /// The provider's id of it.
        provider_refund: String,
        /// Why the money did not go back, if it did not.
        failure: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
struct WireEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: WireEventData,
}

#[derive(Debug, Deserialize)]
struct WireEventData {
    object: Value,
}

/// A webhook's body is not what its type promises.
#[derive(Debug, thiserror::Error)]
#[error("the body is no event: {0}")]
pub struct NoticeError(#[from] serde_json::Error);

/// Reads a webhook: the event's id and type, and what it tells us; nothing for types that we do
/// not follow and for objects that are not ours.
///
/// `charge.refunded` is not followed: the `refund.*` events say the same about one refund each.
///
/// # Errors
/// When the body is not an event.
pub fn parse_notice(body: &[u8]) -> Result<(String, String, Option<Notice>), NoticeError> {
    let event: WireEvent = serde_json::from_slice(body)?;
    let object = event.data.object;
    let notice = match event.kind.as_str() {
        "payment_intent.succeeded" => paid(serde_json::from_value(object)?),
        "payment_intent.processing" => processing(serde_json::from_value(object)?),
        "payment_intent.payment_failed" | "payment_intent.canceled" => {
            not_paid(serde_json::from_value(object)?, event.kind.ends_with(".canceled"))
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            refunded(serde_json::from_value(object)?)
        }
        _ => None,
    };
    Ok((event.id, event.kind, notice))
}

fn paid(wire: WireIntent) -> Option<Notice> {
    let booking = wire.metadata.booking()?;
    let minor = wire.amount_received.unwrap_or(wire.amount);
    let amount = money(minor, &wire.currency)?;
    Some(Notice::Paid { booking, intent: wire.id, amount })
}

fn processing(wire: WireIntent) -> Option<Notice> {
    Some(Notice::Processing { booking: wire.metadata.booking()?, intent: wire.id })
}

fn not_paid(wire: WireIntent, cancelled: bool) -> Option<Notice> {
    let booking = wire.metadata.booking()?;
    let reason = match &wire.last_payment_error {
        Some(error) if !cancelled => error.code().to_owned(),
        _ => wire.cancellation_reason.unwrap_or_else(|| "unknown".to_owned()),
    };
    Some(Notice::NotPaid { booking, intent: wire.id, reason, cancelled })
}

fn refunded(wire: WireRefund) -> Option<Notice> {
    let refund = wire.metadata.refund()?;
    let ProviderRefund { id: provider_refund, outcome } = wire.refund();
    let failure = match outcome {
        RefundOutcome::Pending => return None,
        RefundOutcome::Succeeded => None,
        RefundOutcome::Failed(code) => Some(code),
    };
    Some(Notice::Refunded { refund, provider_refund, failure })
}

#[cfg(test)]
mod tests {
    use kernel::{Currency, ShowId};
    use serde_json::json;

    use super::*;

    fn booking() -> BookingId {
        BookingId::new(ShowId::from_uuid(uuid::Uuid::from_u128(1)), 2)
    }

    fn refund() -> RefundId {
        RefundId::new(ShowId::from_uuid(uuid::Uuid::from_u128(1)), 3)
    }

    fn check(kind: &str, object: Value, expected: Option<Notice>) {
        let body = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
        let (id, seen, notice) = parse_notice(body.to_string().as_bytes()).unwrap();
        assert_eq!((id.as_str(), seen.as_str(), notice), ("evt_1", kind, expected));
    }

    fn intent(extra: Value) -> Value {
        let mut intent = json!({
            "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 2400,
            "amount_received": 2400, "currency": "eur", "client_secret": "pi_1_secret_x",
            "metadata": { "booking_id": booking().to_string() },
        });
        for (key, value) in extra.as_object().unwrap() {
            intent[key] = value.clone();
        }
        intent
    }

    #[test]
    fn payments_are_read() {
        let amount = Money::new(2400, Currency::EUR);
        let paid = Notice::Paid { booking: booking(), intent: "pi_1".into(), amount };
        check("payment_intent.succeeded", intent(json!({})), Some(paid));
        let processing = Notice::Processing { booking: booking(), intent: "pi_1".into() };
        check("payment_intent.processing", intent(json!({ "status": "processing" })), Some(processing));
        let failed = Notice::NotPaid {
            booking: booking(),
            intent: "pi_1".into(),
            reason: "insufficient_funds".into(),
            cancelled: false,
        };
        let error = json!({ "last_payment_error": {
            "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds" } });
        check("payment_intent.payment_failed", intent(error), Some(failed));
        let cancelled = Notice::NotPaid {
            booking: booking(),
            intent: "pi_1".into(),
            reason: "abandoned".into(),
            cancelled: true,
        };
        let reason = json!({ "cancellation_reason": "abandoned" });
        check("payment_intent.canceled", intent(reason), Some(cancelled));
    }

    #[test]
    fn refunds_are_read_when_they_have_come_to_an_end() {
        let wire = |status: &str| {
            json!({ "id": "re_1", "object": "refund", "status": status,
                    "metadata": { "refund_id": refund().to_string() } })
        };
        let told = |failure: Option<&str>| {
            let failure = failure.map(str::to_owned);
            Some(Notice::Refunded { refund: refund(), provider_refund: "re_1".into(), failure })
        };
        check("refund.updated", wire("succeeded"), told(None));
        check("refund.created", wire("pending"), None);
        check("refund.failed", wire("failed"), told(Some("failed")));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        check("customer.created", json!({ "id": "cus_1" }), None);
        check("charge.refunded", json!({ "id": "ch_1" }), None);
        check("payment_intent.succeeded", intent(json!({ "metadata": {} })), None);
        check("payment_intent.succeeded", intent(json!({ "metadata": { "booking_id": "x" } })), None);
        assert!(parse_notice(b"[]").is_err());
        assert!(parse_notice(b"{").is_err());
    }
}
