//! Given what two sides have of the same thing: do they agree, and if not, why.
//!
//! Only what has stood for a while is judged: a webhook that is under way is no finding. That is
//! for the caller, who knows the time.

use chrono::{DateTime, Utc};
use kernel::{BookingId, Money, PaymentId, RefundId};

use super::booking::BookingStatus;
use super::finding::Cause;
use super::payment::{IntentStatus, PaymentStatus, RefundOutcome, RefundStatus};

/// One payment as the provider has it and as we have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentView {
    /// Where the intent stands.
    pub theirs: IntentStatus,
    /// What was collected when it succeeded, else what is to be collected.
    pub their_amount: Money,
    /// Where the booking stands that the intent names; none when it names none of ours.
    pub booking: Option<BookingStatus>,
    /// What we have written down of it.
    pub ours: Option<(PaymentStatus, Money)>,
}

/// What is wrong with a payment, if anything is.
pub fn payment_difference(view: &PaymentView) -> Option<Cause> {
    let Some(booking) = view.booking else {
        // Without money there is nothing at stake.
        let has_money = matches!(view.theirs, IntentStatus::Succeeded | IntentStatus::Processing);
        return has_money.then_some(Cause::IntentForeign);
    };
    let Some((status, amount)) = view.ours else {
        return match view.theirs {
            IntentStatus::Succeeded => Some(Cause::PaymentUnheard),
            IntentStatus::RequiresPayment | IntentStatus::Processing => Some(Cause::IntentUnrecorded),
            IntentStatus::Cancelled => None,
        };
    };
    let differs = (amount != view.their_amount).then_some(Cause::PaymentAmountDiffers);
    match (view.theirs, status) {
        (IntentStatus::Succeeded, PaymentStatus::Succeeded) => differs,
        (IntentStatus::Succeeded, _) => Some(Cause::PaymentUnheard),
        (_, PaymentStatus::Succeeded) => Some(Cause::PaymentUnfounded),
        (IntentStatus::Cancelled, PaymentStatus::Cancelled) => None,
        (IntentStatus::Cancelled, _) => Some(Cause::CancellationUnheard),
        (_, PaymentStatus::Cancelled) => Some(Cause::PaymentDisagrees),
        (IntentStatus::RequiresPayment, _) if !booking.owns_seats() => Some(Cause::IntentLeftOpen),
        (IntentStatus::RequiresPayment | IntentStatus::Processing, _) => differs,
    }
}

/// One refund as the provider has it and as we have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundView<'a> {
    /// The provider's id of it.
    pub their_id: &'a str,
    /// How it stands there.
    pub theirs: &'a RefundOutcome,
    /// How much goes back there.
    pub their_amount: Money,
    /// What we have of it; none when we did not order it.
    pub ours: Option<OurRefund<'a>>,
}

/// A refund that we ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurRefund<'a> {
    /// Where it stands.
    pub status: RefundStatus,
    /// How much was ordered.
    pub amount: Money,
    /// The provider's id of it, as far as we know.
    pub provider_refund: Option<&'a str>,
}

/// What is wrong with a refund, if anything is.
pub fn refund_difference(view: &RefundView<'_>) -> Option<Cause> {
    let failed = matches!(view.theirs, RefundOutcome::Failed(_));
    let Some(ours) = view.ours else {
        return (!failed).then_some(Cause::RefundForeign);
    };
    if ours.provider_refund.is_some_and(|known| known != view.their_id) {
        return (!failed).then_some(Cause::RefundDoubled);
    }
    if ours.amount != view.their_amount {
        return Some(Cause::RefundAmountDiffers);
    }
    match (view.theirs, ours.status) {
        (RefundOutcome::Pending, RefundStatus::Pending)
        | (RefundOutcome::Succeeded, RefundStatus::Succeeded)
        | (RefundOutcome::Failed(_), RefundStatus::Failed) => None,
        (RefundOutcome::Succeeded | RefundOutcome::Failed(_), RefundStatus::Pending)
        // The buyer's bank refused.
        | (RefundOutcome::Failed(_), RefundStatus::Succeeded) => Some(Cause::RefundUnheard),
        // We concluded that it failed, without the provider having said so of this one.
        (RefundOutcome::Succeeded, RefundStatus::Failed) if ours.provider_refund.is_none() => {
            Some(Cause::RefundUnheard)
        }
        (RefundOutcome::Pending, RefundStatus::Failed) if ours.provider_refund.is_none() => None,
        (RefundOutcome::Succeeded | RefundOutcome::Pending, RefundStatus::Failed)
        | (RefundOutcome::Pending, RefundStatus::Succeeded) => Some(Cause::RefundDisagrees),
    }
}

/// A booking with all that belongs to it, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which booking.
    pub id: BookingId,
    /// Where it stands.
    pub status: BookingStatus,
    /// What it costs.
    pub total: Money,
    /// When an unpaid claim lapses.
    pub expires_at: DateTime<Utc>,
    /// The seats that it was made for.
    pub seats: u32,
    /// Those of them that it owns now.
    pub owned: u32,
    /// Those of them that are sold to it.
    pub sold: u32,
    /// Its valid tickets.
    pub tickets: u32,
    /// Captured payments that no refund gives back.
    pub kept: Vec<PaymentId>,
    /// Refunds that the provider did not make.
    pub failed: Vec<RefundId>,
    /// Refunds that are owed and that the provider has not taken for long.
    pub unasked: Vec<RefundId>,
}

/// What is wrong with a booking. A claim that lapsed before `lapsed_before` should have ended.
pub fn booking_differences(standing: &Standing, lapsed_before: DateTime<Utc>) -> Vec<Cause> {
    use BookingStatus::{Cancelled, Confirmed, Expired, Failed, PendingPayment, Refunded};
    let mut causes = Vec::new();
    let mut find = |wrong: bool, cause: Cause| {
        if wrong {
            causes.push(cause);
        }
    };
    let kept = standing.kept.len();
    match standing.status {
        Confirmed => {
            let costs = standing.total.minor() > 0;
            find(standing.tickets != standing.seats, Cause::TicketsMissing);
            find(costs && kept == 0, Cause::TicketsUnpaid);
            find(kept > usize::from(costs), Cause::CaptureKept);
            find(standing.sold != standing.seats, Cause::SeatsMissing);
        }
        PendingPayment => {
            find(kept > 0, Cause::CaptureUnsettled);
            find(standing.tickets > 0, Cause::TicketsUnpaid);
            find(standing.owned != standing.seats, Cause::SeatsMissing);
            find(standing.expires_at <= lapsed_before, Cause::ClaimOverdue);
        }
        Expired | Failed | Cancelled | Refunded => {
            let settles = matches!(standing.status, Expired | Failed);
            let cause = if settles { Cause::CaptureUnsettled } else { Cause::CaptureKept };
            find(kept > 0, cause);
            find(standing.tickets > 0, Cause::TicketsUnpaid);
            find(standing.owned > 0, Cause::SeatsKept);
        }
    }
    find(!standing.failed.is_empty(), Cause::RefundFailed);
    find(!standing.unasked.is_empty(), Cause::RefundNotAsked);
    causes
}

/// The seats of a show as its map shows them, against those who own them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatDifferences {
    /// Seats of somebody that are shown as if they could be had, ascending.
    pub shown_free: Vec<u16>,
    /// Seats of nobody that are shown as sold, ascending.
    pub shown_sold: Vec<u16>,
}

impl SeatDifferences {
    /// Those of these seats.
    #[must_use]
    pub fn only(mut self, seat: impl Fn(u16) -> bool) -> Self {
        self.shown_free.retain(|no| seat(*no));
        self.shown_sold.retain(|no| seat(*no));
        self
    }

    /// All of them.
    pub fn seats(&self) -> Vec<u16> {
        self.shown_free.iter().chain(&self.shown_sold).copied().collect()
    }
}

/// Compares a seat map (a letter per seat) with the owners: seat, and whether it is paid. An
/// unpaid seat is shown as held; who else might be shown to hold it cannot be told from the map. A
/// blocked one can be had by nobody, so that is as good.
pub fn seat_differences(states: &[u8], owned: &[(u16, bool)]) -> SeatDifferences {
    let letter = |seat: u16| states.get(usize::from(seat)).copied();
    let mut differences = SeatDifferences::default();
    for (seat, sold) in owned {
        let fits = matches!((letter(*seat), sold), (Some(b'S' | b'B'), _) | (Some(b'H'), false));
        if !fits {
            differences.shown_free.push(*seat);
        }
    }
    let of_somebody = |seat: u16| owned.iter().any(|(owned, _)| *owned == seat);
    let shown = (0_u16..).zip(states).filter(|(_, letter)| **letter == b'S').map(|(seat, _)| seat);
    differences.shown_sold = shown.filter(|seat| !of_somebody(*seat)).collect();
    differences.shown_free.sort_unstable();
    differences
}

#[cfg(test)]
mod tests;
