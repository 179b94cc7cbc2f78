//! `AuditReason`.

use async_graphql::Enum;

use crate::domain::audit;

/// Why something was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "audit::Reason")]
pub enum AuditReason {
    /// Somebody took a hold.
    Held,
    /// Somebody gave a hold back.
    Released,
    /// A hold was not checked out in time.
    HoldLapsed,
    /// A hold gave way to a booking that was paid for.
    Outranked,
    /// Somebody checked out.
    Checkout,
    /// A booking that costs nothing is confirmed at once.
    FreeOfCharge,
    /// The provider was asked for a payment.
    PaymentCreated,
    /// The provider captured a payment.
    PaymentSucceeded,
    /// The provider is working on a payment.
    PaymentProcessing,
    /// The provider declined a payment.
    PaymentFailed,
    /// A payment was called off at the provider.
    PaymentCancelled,
    /// A payment was captured when its booking had ended.
    LatePayment,
    /// The same, and others had the seats: the booking has equivalent ones, as its buyer agreed to.
    EquivalentSeats,
    /// A payment was captured that nobody owed: a second one, or a wrong amount.
    UnexpectedPayment,
    /// The buyer cancelled.
    CancelledByBuyer,
    /// An unpaid claim was over.
    ClaimLapsed,
    /// The booking that a payment was for had ended.
    BookingEnded,
    /// The show was cancelled.
    ShowCancelled,
    /// The show has begun.
    ShowBegun,
    /// The provider gave the money back.
    RefundSucceeded,
    /// The provider did not give the money back, or took that back.
    RefundFailed,
    /// What we and the provider knew differed, and was brought together.
    Reconciled,
    /// A person decided.
    Resolved,
    /// A manager decided who can hold seats of a show.
    ChallengeSet,
}
