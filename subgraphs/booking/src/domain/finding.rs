//! What reconciliation finds: two records of the same thing that should agree and do not.

use chrono::{DateTime, Utc};
use kernel::{BookingId, FindingId, ShowId};
use serde_json::Value;
use uuid::Uuid;

/// The show of findings that belong to none, such as an intent that nobody of us made.
pub const NO_SHOW: ShowId = ShowId::from_uuid(Uuid::nil());

/// Declares the causes: name, what a finding of it is about, and whether it can be repaired here.
macro_rules! causes {
    ($($(#[$doc:meta])* $member:ident = $text:literal, $scope:ident, $repairable:literal;)*) => {
        /// Why something is a finding. The runbook `docs/runbooks/reconciliation.md` says of each
        /// what it means and what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $($(#[$doc])* $member,)* }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$member,)*];

            /// The name in the database, in metrics and in logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text,)* }
            }

            /// What findings of this cause are about.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$member => Scope::$scope,)* }
            }

            /// Whether reconciliation can put it right by itself; else a person has to.
            pub const fn is_repairable(self) -> bool {
                match self { $(Self::$member => $repairable,)* }
            }
        }
    };
}

causes! {
    /// The provider has the money, and we never heard of it.
    PaymentUnheard = "payment_unheard", Intent, true;
    /// The intent was called off at the provider, and we never heard of it.
    CancellationUnheard = "cancellation_unheard", Intent, true;
    /// An intent of one of our bookings that we did not write down.
    IntentUnrecorded = "intent_unrecorded", Intent, true;
    /// An intent that can still be paid although its booking has ended.
    IntentLeftOpen = "intent_left_open", Intent, true;
    /// Money for no booking of ours.
    IntentForeign = "intent_foreign", Intent, false;
    /// A payment that we have as captured, and the provider has not.
    PaymentUnfounded = "payment_unfounded", Intent, false;
    /// A payment that we have as called off can still be paid at the provider.
    PaymentDisagrees = "payment_disagrees", Intent, false;
    /// The amounts of an intent and its payment differ.
    PaymentAmountDiffers = "payment_amount_differs", Intent, false;
    /// A refund came to its end at the provider, and we never heard of it.
    RefundUnheard = "refund_unheard", ProviderRefund, true;
    /// A refund at the provider that we did not order.
    RefundForeign = "refund_foreign", ProviderRefund, false;
    /// A second refund at the provider for one that we ordered.
    RefundDoubled = "refund_doubled", ProviderRefund, false;
    /// A refund that we have as done, and the provider has not at all.
    RefundUnfounded = "refund_unfounded", ProviderRefund, false;
    /// A refund stands differently at the provider, in a way that no message explains.
    RefundDisagrees = "refund_disagrees", ProviderRefund, false;
    /// The amounts of a refund differ.
    RefundAmountDiffers = "refund_amount_differs", ProviderRefund, false;
    /// The provider did not give money back that we owe.
    RefundFailed = "refund_failed", Booking, false;
    /// A refund is owed, and the provider has not answered for long.
    RefundNotAsked = "refund_not_asked", Booking, true;
    /// A captured payment of a booking that waits or ended, with neither tickets nor a refund.
    CaptureUnsettled = "capture_unsettled", Booking, true;
    /// Money that we keep without anything for it.
    CaptureKept = "capture_kept", Booking, false;
    /// A confirmed booking without a valid ticket for each seat.
    TicketsMissing = "tickets_missing", Booking, false;
    /// Valid tickets that nobody has paid for.
    TicketsUnpaid = "tickets_unpaid", Booking, false;
    /// A booking that should own its seats, and does not own them all.
    SeatsMissing = "seats_missing", Booking, false;
    /// A booking that has ended, and still owns seats.
    SeatsKept = "seats_kept", Booking, false;
    /// An unpaid claim that lapsed long ago and has not ended.
    ClaimOverdue = "claim_overdue", Booking, true;
    /// Seats that belong to a booking are shown as free.
    SeatsShownFree = "seats_shown_free", Show, true;
    /// Seats are shown as sold that belong to nobody.
    SeatsShownSold = "seats_shown_sold", Show, true;
    /// Events have been waiting to be published for long.
    OutboxStuck = "outbox_stuck", Outbox, false;
    /// Messages that could not be handled.
    DeadLetters = "dead_letters", Queue, false;
}

impl Cause {
    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == text)
    }
}

/// What kind of thing a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// An intent at the provider.
    Intent,
    /// A refund at the provider.
    ProviderRefund,
    /// A booking.
    Booking,
    /// The seat map of a show.
    Show,
    /// The outbox.
    Outbox,
    /// A queue.
    Queue,
}

/// The thing that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An intent, by the provider's id.
    Intent(String),
    /// A refund, by the provider's id.
    ProviderRefund(String),
    /// A booking.
    Booking(BookingId),
    /// The seat map of a show.
    Show(ShowId),
    /// The outbox.
    Outbox,
    /// A queue, by its name.
    Queue(String),
}

impl Subject {
    /// The subject of this scope with this name; `None` when it is no such name.
    pub fn parse(scope: Scope, name: String) -> Option<Self> {
        Some(match scope {
            Scope::Intent => Self::Intent(name),
            Scope::ProviderRefund => Self::ProviderRefund(name),
            Scope::Booking => Self::Booking(name.parse().ok()?),
            Scope::Show => Self::Show(name.parse().ok()?),
            Scope::Outbox => Self::Outbox,
            Scope::Queue => Self::Queue(name),
        })
    }

    /// Its kind.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Intent(_) => Scope::Intent,
            Self::ProviderRefund(_) => Scope::ProviderRefund,
            Self::Booking(_) => Scope::Booking,
            Self::Show(_) => Scope::Show,
            Self::Outbox => Scope::Outbox,
            Self::Queue(_) => Scope::Queue,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Intent(name) | Self::ProviderRefund(name) | Self::Queue(name) => f.write_str(name),
            Self::Booking(id) => id.fmt(f),
            Self::Show(id) => id.fmt(f),
            Self::Outbox => f.write_str("outbox"),
        }
    }
}

/// How a finding came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The records agree again, by themselves.
    Healed,
    /// They agree again after a repair.
    Repaired,
    /// A person has dealt with it.
    Manual,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Healed, Self::Repaired, Self::Manual];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healed => "healed",
            Self::Repaired => "repaired",
            Self::Manual => "manual",
        }
    }

    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == text)
    }
}

/// A finding as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its id.
    pub id: FindingId,
    /// Why it is one.
    pub cause: Cause,
    /// What it is about.
    pub subject: Subject,
    /// When it was first seen; after it was resolved and came back, since then.
    pub first_seen: DateTime<Utc>,
    /// When it was last seen.
    pub last_seen: DateTime<Utc>,
    /// When a repair was last tried.
    pub repaired_at: Option<DateTime<Utc>>,
    /// When and how it came to its end.
    pub resolved: Option<(DateTime<Utc>, Resolution)>,
    /// What the person wrote who dealt with it.
    pub note: Option<String>,
    /// Who that was, by the name that they gave.
    pub resolved_by: Option<String>,
    /// What both sides say; never who the buyer is.
    pub detail: Value,
}

impl Finding {
    /// The booking that it is about, or that both sides' records name.
    pub fn booking(&self) -> Option<BookingId> {
        match self.subject {
            Subject::Booking(booking) => Some(booking),
            _ => self.detail.get("booking")?.as_str()?.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_survive_a_round_trip() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
        }
        let names: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for resolution in Resolution::ALL {
            assert_eq!(Resolution::parse(resolution.as_str()), Some(resolution));
        }
        assert_eq!(Cause::parse("unknown"), None);
    }

    #[test]
    fn subjects_survive_a_round_trip() {
        let show = ShowId::from_uuid(Uuid::from_u128(7));
        let subjects = [
            Subject::Intent("pi_1".into()),
            Subject::ProviderRefund("re_1".into()),
            Subject::Booking(BookingId::new(show, 5)),
            Subject::Show(show),
            Subject::Outbox,
            Subject::Queue("booking.payments".into()),
        ];
        for subject in subjects {
            assert_eq!(Subject::parse(subject.scope(), subject.to_string()), Some(subject));
        }
        assert_eq!(Subject::parse(Scope::Booking, "pi_1".into()), None);
    }

    #[test]
    fn what_belongs_to_no_show_still_has_an_id() {
        let id = FindingId::new(NO_SHOW, 1);
        assert_eq!(id.to_string().parse::<FindingId>(), Ok(id));
    }
}
