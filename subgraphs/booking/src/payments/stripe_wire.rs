//! Stripe's JSON, as far as we read it. Source: <https://docs.stripe.com/api>.

use chrono::{DateTime, Utc};
use kernel::{BookingId, Currency, Money, RefundId};
use serde::Deserialize;

use super::{Intent, ListedIntent, ListedRefund, ProviderRefund};
use crate::domain::payment::{IntentStatus, RefundOutcome};

/// What of our own we attach to the provider's objects, and get back with them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    booking_id: Option<String>,
    refund_id: Option<String>,
}

impl Metadata {
    pub(super) fn booking(&self) -> Option<BookingId> {
        self.booking_id.as_deref()?.parse().ok()
    }

    pub(super) fn refund(&self) -> Option<RefundId> {
        self.refund_id.as_deref()?.parse().ok()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireIntent {
    pub(super) id: String,
    client_secret: Option<String>,
    status: String,
    pub(super) amount: i64,
    pub(super) amount_received: Option<i64>,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) last_payment_error: Option<WireErrorBody>,
    pub(super) cancellation_reason: Option<String>,
    created: Option<i64>,
    canceled_at: Option<i64>,
    latest_charge: Option<WireCharge>,
}

/// An intent's charge: the whole of it where it was asked for, else only its id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireCharge {
    Whole { created: i64 },
    Id(serde::de::IgnoredAny),
}

/// Unix time in seconds.
fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

impl WireIntent {
    fn status(&self) -> IntentStatus {
        match self.status.as_str() {
            "succeeded" => IntentStatus::Succeeded,
            "canceled" => IntentStatus::Cancelled,
            "processing" | "requires_capture" => IntentStatus::Processing,
            _ => IntentStatus::RequiresPayment,
        }
    }

    /// `None` for a currency that does not exist.
    pub(super) fn intent(self) -> Option<Intent> {
        let status = self.status();
        let minor = match status {
            IntentStatus::Succeeded => self.amount_received.unwrap_or(self.amount),
            _ => self.amount,
        };
        let amount = money(minor, &self.currency)?;
        Some(Intent { id: self.id, client_secret: self.client_secret, status, amount })
    }

    /// `None` for one that cannot be understood.
    pub(super) fn listed(self) -> Option<ListedIntent> {
        let created = time(self.created?)?;
        let since = match (self.status(), &self.latest_charge) {
            (IntentStatus::Succeeded, Some(WireCharge::Whole { created })) => time(*created)?,
            (IntentStatus::Cancelled, _) => self.canceled_at.map_or(Some(created), time)?,
            _ => created,
        };
        let booking = self.metadata.booking();
        Some(ListedIntent { intent: self.intent()?, booking, created, since })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireRefund {
    pub(super) id: String,
    status: Option<String>,
    failure_reason: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    payment_intent: Option<String>,
    created: Option<i64>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

impl WireRefund {
    /// `None` for one that cannot be understood.
    pub(super) fn listed(self) -> Option<ListedRefund> {
        Some(ListedRefund {
            amount: money(self.amount?, self.currency.as_deref()?)?,
            intent: self.payment_intent.clone(),
            order: self.metadata.refund(),
            created: time(self.created?)?,
            refund: self.refund(),
        })
    }

    pub(super) fn refund(self) -> ProviderRefund {
        let outcome = match self.status.as_deref() {
            Some("succeeded") => RefundOutcome::Succeeded,
            Some(status @ ("failed" | "canceled")) => {
                RefundOutcome::Failed(self.failure_reason.unwrap_or_else(|| status.to_owned()))
            }
            _ => RefundOutcome::Pending,
        };
        ProviderRefund { id: self.id, outcome }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireList<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireError {
    pub(super) error: WireErrorBody,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireErrorBody {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    pub(super) payment_intent: Option<WireIntentOrNothing>,
}

/// The intent that an error is about. It is read leniently: an error without it is still one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum WireIntentOrNothing {
    Intent(Box<WireIntent>),
    Other(serde::de::IgnoredAny),
}

impl WireErrorBody {
    /// The most telling word about what went wrong.
    pub(super) fn code(&self) -> &str {
        let words = [&self.decline_code, &self.code, &self.kind];
        words.into_iter().find_map(Option::as_deref).unwrap_or("unknown")
    }
}

/// How many of the provider's smallest units one minor unit by ISO 4217 is.
///
/// Two currencies without decimals are kept with two by Stripe, in whole hundreds
/// (docs.stripe.com/currencies, "special cases").
const fn scale(currency: Currency) -> i64 {
    match currency {
        Currency::ISK | Currency::UGX => 100,
        _ => 1,
    }
}

/// An amount as the provider counts; `None` when it is too large for it.
pub(super) fn amount(money: Money) -> Option<i64> {
    money.minor().checked_mul(scale(money.currency()))
}

/// `None` for a currency that does not exist, or a part of a minor unit.
pub(super) fn money(amount: i64, currency: &str) -> Option<Money> {
    let currency = Currency::from_code(&currency.to_ascii_uppercase())?;
    let scale = scale(currency);
    (amount % scale == 0).then(|| Money::new(amount / scale, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_way_to_the_provider_and_back() {
        let check = |money_sent: Money, text: &str, expected: i64| {
            assert_eq!(amount(money_sent), Some(expected));
            assert_eq!(money(expected, text), Some(money_sent));
        };
        check(Money::new(1_250, Currency::EUR), "eur", 1_250);
        check(Money::new(1_800, Currency::JPY), "jpy", 1_800);
        check(Money::new(5_000, Currency::ISK), "isk", 500_000);
        assert_eq!(money(5_050, "isk"), None);
        assert_eq!(money(1, "xxq"), None);
        assert_eq!(amount(Money::new(i64::MAX, Currency::UGX)), None);
    }
}
