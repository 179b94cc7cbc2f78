//! `AuditEntry`.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};
use kernel::seating::seat_id;

use super::audit_reason::AuditReason;
use crate::domain::audit::{self, ChallengeState, Change, FindingState, HoldState, Recorded};
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{PaymentStatus, RefundStatus};
use crate::domain::show::{Show, ShowStatus};

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "audit::Entity")]
pub enum AuditEntity {
    /// A booking, and with it its seats.
    Booking,
    /// A payment of a booking.
    Payment,
    /// A refund of a payment.
    Refund,
    /// A hold that is kept in the database, and with it its seats.
    Hold,
    /// A show.
    Show,
    /// Something about a booking that did not agree with other records, and that a person dealt with.
    Finding,
    /// Whether holds of a show need a solved challenge.
    Challenge,
}

/// Where a booking, payment, refund, hold, show, finding or challenge stood: what each of them means
/// depends on the `entity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AuditState {
    /// Of a booking: its seats are claimed, it is not paid.
    PendingPayment,
    /// Of a booking: paid, with tickets.
    Confirmed,
    /// Of a booking, a payment or a show: called off.
    Cancelled,
    /// Of a booking: the money went back.
    Refunded,
    /// Of a booking or a hold: its time was over.
    Expired,
    /// Of a booking: its payment cannot succeed. Of a payment: declined. Of a refund: refused.
    Failed,
    /// Of a payment: the buyer has to act.
    RequiresPayment,
    /// Of a payment: the provider works on it.
    Processing,
    /// Of a payment: captured. Of a refund: the money went back.
    Succeeded,
    /// Of a refund: on its way.
    Pending,
    /// Of a hold: its seats are its owner's for now.
    Held,
    /// Of a hold: given back.
    Released,
    /// Of a hold: it became a booking.
    Consumed,
    /// Of a hold: a booking took seats of it, or its show closed.
    Lost,
    /// Of a show: it takes place.
    Scheduled,
    /// Of a finding: it waits for a person.
    Open,
    /// Of a finding: a person dealt with it.
    Resolved,
    /// Of a challenge: everybody can hold.
    NotRequired,
    /// Of a challenge: whoever holds has to prove that they are a person.
    Required,
}

impl From<BookingStatus> for AuditState {
    fn from(status: BookingStatus) -> Self {
        match status {
            BookingStatus::PendingPayment => Self::PendingPayment,
            BookingStatus::Confirmed => Self::Confirmed,
            BookingStatus::Cancelled => Self::Cancelled,
            BookingStatus::Refunded => Self::Refunded,
            BookingStatus::Expired => Self::Expired,
            BookingStatus::Failed => Self::Failed,
        }
    }
}

impl From<PaymentStatus> for AuditState {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::RequiresPayment => Self::RequiresPayment,
            PaymentStatus::Processing => Self::Processing,
            PaymentStatus::Succeeded => Self::Succeeded,
            PaymentStatus::Failed => Self::Failed,
            PaymentStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<RefundStatus> for AuditState {
    fn from(status: RefundStatus) -> Self {
        match status {
            RefundStatus::Pending => Self::Pending,
            RefundStatus::Succeeded => Self::Succeeded,
            RefundStatus::Failed => Self::Failed,
        }
    }
}

impl From<HoldState> for AuditState {
    fn from(state: HoldState) -> Self {
        match state {
            HoldState::Held => Self::Held,
            HoldState::Released => Self::Released,
            HoldState::Expired => Self::Expired,
            HoldState::Consumed => Self::Consumed,
            HoldState::Lost => Self::Lost,
        }
    }
}

impl From<ShowStatus> for AuditState {
    fn from(status: ShowStatus) -> Self {
        match status {
            ShowStatus::Scheduled => Self::Scheduled,
            ShowStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<FindingState> for AuditState {
    fn from(state: FindingState) -> Self {
        match state {
            FindingState::Open => Self::Open,
            FindingState::Resolved => Self::Resolved,
        }
    }
}

impl From<ChallengeState> for AuditState {
    fn from(state: ChallengeState) -> Self {
        match state {
            ChallengeState::NotRequired => Self::NotRequired,
            ChallengeState::Required => Self::Required,
        }
    }
}

/// The kind of who changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "audit::ActorKind")]
pub enum AuditActorKind {
    /// Somebody with an account.
    User,
    /// The payment provider.
    Provider,
    /// A consumer or a job of the platform.
    System,
    /// Somebody who operates the platform.
    Operator,
}

/// Who changed something.
#[derive(Debug, Clone, SimpleObject)]
pub struct AuditActor {
    /// The kind.
    kind: AuditActorKind,
    /// Which one: the id of an account, the provider's id of an event, the name of a consumer or
    /// job, the name of a person.
    id: ID,
}

/// A seat that an entry is about.
#[derive(Debug, Clone, SimpleObject)]
pub struct AuditSeat {
    /// The same id as in the layout of the screen.
    id: ID,
    /// What people call it: `A5`.
    label: String,
}

/// One change of one thing.
#[derive(Debug, Clone, SimpleObject)]
pub struct AuditEntry {
    /// When.
    time: DateTime<Utc>,
    /// What was changed.
    entity: AuditEntity,
    /// Which one.
    entity_id: ID,
    /// The booking that it belongs to.
    booking_id: Option<ID>,
    /// Where it stood before; null when it was new.
    from: Option<AuditState>,
    /// Where it stood after.
    to: AuditState,
    /// The seats of the booking or hold, in the order of the layout.
    seats: Vec<AuditSeat>,
    /// Who changed it.
    actor: AuditActor,
    /// Why.
    reason: AuditReason,
    /// The trace that the change was part of.
    trace_id: Option<String>,
}

impl AuditEntry {
    /// What auditors see of an entry of this show.
    pub(crate) fn new(show: &Show, recorded: Recorded) -> Self {
        let Recorded { time, entry, trace, .. } = recorded;
        let (from, to) = match entry.change {
            Change::Booking { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Payment { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Refund { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Hold { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Show { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Finding { from, to, .. } => (from.map(Into::into), to.into()),
            Change::Challenge { from, to, .. } => (from.map(Into::into), to.into()),
        };
        let seat = |seat: &u16| AuditSeat {
            id: ID(seat_id(show.screen_id, *seat).to_string()),
            label: show.layout.label(*seat).unwrap_or_default(),
        };
        Self {
            time,
            entity: entry.change.entity().into(),
            entity_id: ID(entry.change.id()),
            booking_id: entry.change.booking().map(|booking| ID(booking.to_string())),
            from,
            to,
            seats: entry.seats.iter().map(seat).collect(),
            actor: AuditActor {
                kind: entry.cause.actor.kind().into(),
                id: ID(entry.cause.actor.name().into_owned()),
            },
            reason: entry.cause.reason.into(),
            trace_id: trace,
        }
    }
}
