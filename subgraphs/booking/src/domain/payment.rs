//! Payments and refunds as booking records them.

use chrono::{DateTime, Utc};
use events::booking::RefundCause;
use kernel::{BookingId, Money, PaymentId, RefundId, ShowId};
use sha2::{Digest, Sha256};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// The buyer has to act.
    RequiresPayment,
    /// The provider is working on it.
    Processing,
    /// Captured.
    Succeeded,
    /// The latest attempt that we know of failed; the buyer may try again while the booking waits, and may
    /// have done so.
    Failed,
    /// Called off at the provider; it can never succeed.
    Cancelled,
}

impl PaymentStatus {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::RequiresPayment, Self::Processing, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The name in the database and in GraphQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPayment => "REQUIRES_PAYMENT",
            Self::Processing => "PROCESSING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Where an intent stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentStatus {
    /// The buyer has to act.
    RequiresPayment,
    /// The provider is working on it.
    Processing,
    /// The money is there.
    Succeeded,
    /// Called off; it can never succeed.
    Cancelled,
}

/// Where an attempt at a payment stands, in the words of somebody who may be late: other attempts may have
/// been made since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The provider is working on it.
    Processing,
    /// It failed, with the provider's code.
    Failed(String),
}

impl Attempt {
    /// Where the payment stands when this is its latest attempt.
    pub fn status(&self) -> PaymentStatus {
        match self {
            Self::Processing => PaymentStatus::Processing,
            Self::Failed(_) => PaymentStatus::Failed,
        }
    }

    /// The provider's code, when it failed.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Processing => None,
            Self::Failed(code) => Some(code),
        }
    }

    /// Is this the latest attempt, when the intent stands here? When nobody can say where it stands, a
    /// payment counts as being processed: nothing is ever called off because of that.
    pub fn is_latest(&self, intent: Option<IntentStatus>) -> bool {
        match self {
            Self::Processing => matches!(intent, Some(IntentStatus::Processing) | None),
            Self::Failed(_) => intent == Some(IntentStatus::RequiresPayment),
        }
    }
}

/// A payment of a booking: one intent at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id, see [`payment_id`].
    pub id: PaymentId,
    /// What it pays for.
    pub booking: BookingId,
    /// The provider's name, such as `stripe`.
    pub provider: String,
    /// The provider's id of the intent.
    pub intent: String,
    /// What the buyer's browser needs to pay; absent when the intent was first heard of by a
    /// webhook.
    pub client_secret: Option<String>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What is (to be) paid.
    pub amount: Money,
}

impl Payment {
    /// The same, for somebody who must not pay it any more.
    pub fn without_secret(self) -> Self {
        Self { client_secret: None, ..self }
    }
}

/// The id of the payment behind a provider's intent.
///
/// It is computed (63 bits of SHA-256 of the intent's id), so that a webhook and the
/// checkout that created the intent name the same payment without asking anyone.
pub fn payment_id(show: ShowId, intent: &str) -> PaymentId {
    let digest = Sha256::digest(intent.as_bytes());
    let bits = digest.iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    PaymentId::new(show, bits)
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundStatus {
    /// Owed, asked for or on its way.
    Pending,
    /// The provider says that the money went back.
    Succeeded,
    /// The provider refused; somebody has to look at it.
    Failed,
}

impl RefundStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Failed];

    /// The name in the database and in GraphQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// How a refund ended at the provider, or that it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// On its way; a webhook will tell.
    Pending,
    /// The money went back.
    Succeeded,
    /// It will not, with the provider's code.
    Failed(String),
}

/// Money on its way back. A payment has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id; also the idempotency key at the provider.
    pub id: RefundId,
    /// The booking it belongs to.
    pub booking: BookingId,
    /// The payment that is returned, in full or in part.
    pub payment: PaymentId,
    /// The provider's id of that payment's intent.
    pub intent: String,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: RefundCause,
    /// Where it stands.
    pub status: RefundStatus,
    /// The provider's id of the refund, once it took the order.
    pub provider_refund: Option<String>,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
    /// When it was read, by the same clock.
    pub read_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_id_depends_on_show_and_intent_only() {
        let show = ShowId::from_uuid(uuid::Uuid::from_u128(7));
        let other = ShowId::from_uuid(uuid::Uuid::from_u128(8));
        assert_eq!(payment_id(show, "pi_1"), payment_id(show, "pi_1"));
        assert_ne!(payment_id(show, "pi_1"), payment_id(show, "pi_2"));
        assert_ne!(payment_id(show, "pi_1"), payment_id(other, "pi_1"));
    }

    #[test]
    fn a_payment_counts_as_processed_unless_the_provider_says_otherwise() {
        use IntentStatus::{Cancelled, Processing, RequiresPayment, Succeeded};
        let check = |attempt: Attempt, latest: &[Option<IntentStatus>]| {
            for intent in [None, Some(RequiresPayment), Some(Processing), Some(Succeeded), Some(Cancelled)] {
                assert_eq!(attempt.is_latest(intent), latest.contains(&intent), "{attempt:?} {intent:?}");
            }
        };
        check(Attempt::Processing, &[None, Some(Processing)]);
        check(Attempt::Failed("card_declined".to_owned()), &[Some(RequiresPayment)]);
    }
}
