//! `Refund`.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};
use graphql_kit::MoneyObject;

use crate::domain::payment;

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "payment::RefundStatus")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The money went back.
    Succeeded,
    /// The provider refused; we look into it.
    Failed,
}

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "events::booking::RefundCause")]
pub enum RefundCause {
    /// The buyer cancelled.
    Cancelled,
    /// The show was cancelled.
    ShowCancelled,
    /// The payment came when the seats were gone.
    LatePayment,
    /// More was paid than was owed: a second payment, or a wrong amount.
    UnexpectedPayment,
}

/// Money that goes back to the buyer.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "Refund")]
pub struct RefundObject {
    /// Opaque, starts with `refund_`.
    pub id: ID,
    /// How much.
    pub amount: MoneyObject,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why.
    pub cause: RefundCause,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
}

impl From<payment::Refund> for RefundObject {
    fn from(refund: payment::Refund) -> Self {
        Self {
            id: ID(refund.id.to_string()),
            amount: refund.amount.into(),
            status: refund.status.into(),
            cause: refund.cause.into(),
            created_at: refund.created_at,
        }
    }
}
