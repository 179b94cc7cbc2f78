//! The audit trail: who changed which booking, payment, refund, durable hold or show, when and why.
//!
//! An entry is written by the very statement that makes the change, so there is never one without
//! the other. Of seats there are no entries of their own: those of bookings and holds name the
//! seats that they take, sell or free, which is the history of each seat.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use events::booking::RefundCause;
use kernel::{BookingId, FindingId, HoldId, PaymentId, RefundId, ShowId, UserId};

use super::booking::BookingStatus;
use super::hold::HoldEnd;
use super::payment::{PaymentStatus, RefundStatus};
use super::show::ShowStatus;

/// Declares a closed set of values with a stable name for each.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$member_doc])* $member,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$member,)*];

            /// The name in the database; it never changes.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text,)* }
            }

            /// The inverse of [`as_str`](Self::as_str).
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

named! {
    /// What was changed.
    Entity {
        /// A booking, and with it the seats that it names.
        Booking = "BOOKING",
        /// A payment of a booking.
        Payment = "PAYMENT",
        /// A refund of a payment.
        Refund = "REFUND",
        /// A durable hold, and with it the seats that it names.
        Hold = "HOLD",
        /// A show.
        Show = "SHOW",
        /// Something about a booking that reconciliation found and a person dealt with.
        Finding = "FINDING",
        /// Whether holds of a show need a solved challenge.
        Challenge = "CHALLENGE",
    }
}

named! {
    /// Whether holds of a show need a solved challenge.
    ChallengeState {
        /// Everybody can hold.
        NotRequired = "NOT_REQUIRED",
        /// Whoever holds has to prove that they are a person.
        Required = "REQUIRED",
    }
}

named! {
    /// Where a finding stands.
    FindingState {
        /// It waits for a person.
        Open = "OPEN",
        /// A person dealt with it.
        Resolved = "RESOLVED",
    }
}

impl From<bool> for ChallengeState {
    fn from(required: bool) -> Self {
        if required { Self::Required } else { Self::NotRequired }
    }
}

named! {
    /// Where a durable hold stands.
    HoldState {
        /// Its seats are its owner's for now.
        Held = "HELD",
        /// Its owner gave the seats back.
        Released = "RELEASED",
        /// Its time was over.
        Expired = "EXPIRED",
        /// A checkout made it a booking.
        Consumed = "CONSUMED",
        /// A booking took seats of it, or its show closed.
        Lost = "LOST",
    }
}

impl From<HoldEnd> for HoldState {
    fn from(end: HoldEnd) -> Self {
        match end {
            HoldEnd::Released => Self::Released,
            HoldEnd::Expired => Self::Expired,
            HoldEnd::Consumed => Self::Consumed,
            HoldEnd::Lost => Self::Lost,
        }
    }
}

named! {
    /// Why something was changed.
    Reason {
        /// A buyer took a hold.
        Held = "held",
        /// A buyer gave a hold back.
        Released = "released",
        /// A hold was not checked out in time.
        HoldLapsed = "hold_lapsed",
        /// A hold gave way to a booking that was paid for.
        Outranked = "outranked",
        /// A buyer checked out.
        Checkout = "checkout",
        /// A booking that costs nothing is confirmed at once.
        FreeOfCharge = "free_of_charge",
        /// The provider made an intent for a booking.
        PaymentCreated = "payment.created",
        /// The provider captured a payment.
        PaymentSucceeded = "payment.succeeded",
        /// The provider is working on a payment.
        PaymentProcessing = "payment.processing",
        /// The provider declined a payment.
        PaymentFailed = "payment.failed",
        /// A payment was called off at the provider.
        PaymentCancelled = "payment.cancelled",
        /// A payment was captured when its booking had ended.
        LatePayment = "late_payment",
        /// The same, and others had the seats: the booking has equivalent ones, as the buyer agreed to.
        EquivalentSeats = "equivalent_seats",
        /// A payment was captured that nobody owed: a second one, or a wrong amount.
        UnexpectedPayment = "unexpected_payment",
        /// The buyer gave the booking up.
        CancelledByBuyer = "cancelled_by_buyer",
        /// An unpaid claim was over.
        ClaimLapsed = "claim_lapsed",
        /// The booking that a payment was for had ended.
        BookingEnded = "booking_ended",
        /// The show was called off.
        ShowCancelled = "show_cancelled",
        /// The show has begun.
        ShowBegun = "show_begun",
        /// The provider gave the money back.
        RefundSucceeded = "refund.succeeded",
        /// The provider did not give the money back, or took that back.
        RefundFailed = "refund.failed",
        /// What we and the provider knew differed, and was brought together.
        Reconciled = "reconciled",
        /// A person decided.
        Resolved = "resolved",
        /// A manager decided who can hold seats of a show.
        ChallengeSet = "challenge_set",
    }
}

impl From<RefundCause> for Reason {
    fn from(cause: RefundCause) -> Self {
        match cause {
            RefundCause::Cancelled => Self::CancelledByBuyer,
            RefundCause::ShowCancelled => Self::ShowCancelled,
            RefundCause::LatePayment => Self::LatePayment,
            RefundCause::UnexpectedPayment => Self::UnexpectedPayment,
        }
    }
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Somebody with an account.
    User(UserId),
    /// The payment provider, by the event (or, where it names none, the object) of this id.
    Provider(String),
    /// A consumer or a job of ours, by its name.
    System(Cow<'static, str>),
    /// Somebody with a shell, by the name they gave.
    Operator(String),
}

named! {
    /// The kind of an [`Actor`].
    ActorKind {
        /// Somebody with an account.
        User = "USER",
        /// The payment provider.
        Provider = "PROVIDER",
        /// A consumer or a job of ours.
        System = "SYSTEM",
        /// Somebody with a shell.
        Operator = "OPERATOR",
    }
}

impl Actor {
    /// A consumer or a job of ours.
    pub const fn system(name: &'static str) -> Self {
        Self::System(Cow::Borrowed(name))
    }

    /// The kind.
    pub const fn kind(&self) -> ActorKind {
        match self {
            Self::User(_) => ActorKind::User,
            Self::Provider(_) => ActorKind::Provider,
            Self::System(_) => ActorKind::System,
            Self::Operator(_) => ActorKind::Operator,
        }
    }

    /// Which one of its kind.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::User(user) => Cow::Owned(user.to_string()),
            Self::Provider(name) | Self::Operator(name) => Cow::Borrowed(name),
            Self::System(name) => Cow::Borrowed(name),
        }
    }

    /// The actor of this kind and name; `None` when it is no name of that kind.
    pub fn parse(kind: ActorKind, name: String) -> Option<Self> {
        Some(match kind {
            ActorKind::User => Self::User(name.parse().ok()?),
            ActorKind::Provider => Self::Provider(name),
            ActorKind::System => Self::System(Cow::Owned(name)),
            ActorKind::Operator => Self::Operator(name),
        })
    }

    /// The cause of what this one does.
    pub const fn because(self, reason: Reason) -> Cause {
        Cause { actor: self, reason }
    }
}

/// Who changed something, and why. Whoever changes a state has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
}

impl Cause {
    /// The same one did it, for another reason.
    pub fn but(&self, reason: Reason) -> Self {
        Self { actor: self.actor.clone(), reason }
    }
}

/// One step of one thing; `from` is absent when the thing is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the same everywhere: what, from where, to where")]
pub enum Change {
    /// Of a booking.
    Booking { id: BookingId, from: Option<BookingStatus>, to: BookingStatus },
    /// Of a payment.
    Payment { id: PaymentId, booking: BookingId, from: Option<PaymentStatus>, to: PaymentStatus },
    /// Of a refund.
    Refund { id: RefundId, booking: BookingId, from: Option<RefundStatus>, to: RefundStatus },
    /// Of a durable hold; `booking` is what it became.
    Hold { id: HoldId, booking: Option<BookingId>, from: Option<HoldState>, to: HoldState },
    /// Of a show.
    Show { id: ShowId, from: Option<ShowStatus>, to: ShowStatus },
    /// Of a finding; it opens, and opens again, without an entry.
    Finding { id: FindingId, booking: BookingId, from: Option<FindingState>, to: FindingState },
    /// Of what holds of a show need.
    Challenge { id: ShowId, from: Option<ChallengeState>, to: ChallengeState },
}

impl Change {
    /// What was changed.
    pub const fn entity(&self) -> Entity {
        match self {
            Self::Booking { .. } => Entity::Booking,
            Self::Payment { .. } => Entity::Payment,
            Self::Refund { .. } => Entity::Refund,
            Self::Hold { .. } => Entity::Hold,
            Self::Show { .. } => Entity::Show,
            Self::Finding { .. } => Entity::Finding,
            Self::Challenge { .. } => Entity::Challenge,
        }
    }

    /// Which one it was, as people are told.
    pub fn id(&self) -> String {
        match self {
            Self::Booking { id, .. } => id.to_string(),
            Self::Payment { id, .. } => id.to_string(),
            Self::Refund { id, .. } => id.to_string(),
            Self::Hold { id, .. } => id.to_string(),
            Self::Show { id, .. } | Self::Challenge { id, .. } => id.to_string(),
            Self::Finding { id, .. } => id.to_string(),
        }
    }

    /// The show that it belongs to.
    pub const fn show(&self) -> ShowId {
        match self {
            Self::Booking { id, .. } => id.show(),
            Self::Payment { id, .. } => id.show(),
            Self::Refund { id, .. } => id.show(),
            Self::Hold { id, .. } => id.show(),
            Self::Show { id, .. } | Self::Challenge { id, .. } => *id,
            Self::Finding { id, .. } => id.show(),
        }
    }

    /// The booking that it belongs to, if there is one.
    pub const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::Booking { id, .. } => Some(*id),
            Self::Payment { booking, .. } | Self::Refund { booking, .. } | Self::Finding { booking, .. } => {
                Some(*booking)
            }
            Self::Hold { booking, .. } => *booking,
            Self::Show { .. } | Self::Challenge { .. } => None,
        }
    }

    /// Where the thing stood, by its name in the database.
    pub fn from(&self) -> Option<&'static str> {
        match self {
            Self::Booking { from, .. } => from.map(BookingStatus::as_str),
            Self::Payment { from, .. } => from.map(PaymentStatus::as_str),
            Self::Refund { from, .. } => from.map(RefundStatus::as_str),
            Self::Hold { from, .. } => from.map(HoldState::as_str),
            Self::Show { from, .. } => from.map(ShowStatus::as_str),
            Self::Finding { from, .. } => from.map(FindingState::as_str),
            Self::Challenge { from, .. } => from.map(ChallengeState::as_str),
        }
    }

    /// Where it stands since then, by its name in the database.
    pub fn to(&self) -> &'static str {
        match self {
            Self::Booking { to, .. } => to.as_str(),
            Self::Payment { to, .. } => to.as_str(),
            Self::Refund { to, .. } => to.as_str(),
            Self::Hold { to, .. } => to.as_str(),
            Self::Show { to, .. } => to.as_str(),
            Self::Finding { to, .. } => to.as_str(),
            Self::Challenge { to, .. } => to.as_str(),
        }
    }
}

/// A change with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub change: Change,
    /// The seats that it is about, ascending; for bookings and holds.
    pub seats: Vec<u16>,
    /// Who did it, and why.
    pub cause: Cause,
}

/// An entry as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Grows with time within a show.
    pub number: i64,
    /// When, by the clock of the database.
    pub time: DateTime<Utc>,
    /// What, by whom and why.
    pub entry: Entry,
    /// The trace that it was part of: 32 hexadecimal digits.
    pub trace: Option<String>,
}

/// The trace id in a `traceparent`: its second field
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header), 3.2).
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_survive_a_round_trip() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert_eq!(Entity::parse("SEAT"), None);
    }

    #[test]
    fn actors_survive_a_round_trip() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        let actors = [
            Actor::User(user),
            Actor::Provider("evt_1".into()),
            Actor::system("booking.shows"),
            Actor::Operator("ada".into()),
        ];
        for actor in actors {
            assert_eq!(Actor::parse(actor.kind(), actor.name().into_owned()), Some(actor));
        }
        assert_eq!(Actor::parse(ActorKind::User, "ada".into()), None);
    }

    #[test]
    fn a_trace_id_is_taken_from_a_traceparent_only() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_id(&format!("00-{id}-b7ad6b7169203331-01")), Some(id));
        for nonsense in ["", "00", "00-xyz-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"] {
            assert_eq!(trace_id(nonsense), None, "{nonsense}");
        }
    }
}
