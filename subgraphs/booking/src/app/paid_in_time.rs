//! The usual end of a booking that waits: it is paid in time, and for the first time.
//!
//! What is there is read without locks, `domain/settlement.rs` decides, and one statement does all of
//! it on the condition that nothing has changed meanwhile. So the usual payment takes two round trips
//! and no locks between them, and payments that come meanwhile share the next two, and a commit. Whatever
//! is not usual, or goes wrong, is left to [`super::confirm`], which asks again, for each payment alone.

use std::collections::HashMap;
use std::sync::Arc;

use events::Envelope;
use events::payment::PaymentSucceeded;
use kernel::{BookingId, EventId};
use platform::faults::{mutant, reach};
use platform::telemetry::current_trace;
use platform::together::Together;

use super::checkout::seat_numbers;
use super::confirm::{CONSUMER, Changed, Confirmation, captured};
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::settlement::{Facts, Verdict, decide};
use crate::domain::show::{Show, ShowStatus};
use crate::store::paid::{Payable, SALES_AT_ONCE, Sale, payable_list, sale_insert};

/// So many statements at once: while one is committed the next one is under way.
const TURNS: usize = 2;

/// Payments that are settled together: each knows whether it was.
pub(super) type Till = Together<Paid, Option<Changed>>;

pub(super) fn till() -> Till {
    Together::new(SALES_AT_ONCE, TURNS)
}

/// A message that tells of a payment, on its way through the [`Till`].
pub(super) struct Paid {
    payment: Payment,
    show: Arc<Show>,
    /// The message.
    message: EventId,
    /// The provider's event.
    told_by: String,
    trace: Option<String>,
}

impl App {
    /// Confirms the booking that was paid for, when that is all there is to it. `None` when it is not, or it
    /// is not known whether it was done.
    pub(super) async fn payment_in_time(
        &self,
        envelope: &Envelope,
        paid: &PaymentSucceeded,
        show: &Arc<Show>,
    ) -> Option<Changed> {
        // The deliberate bug publishes between two statements of a transaction.
        if mutant("publish_before_commit") || envelope.key != show.id.uuid() {
            return None;
        }
        let paid = Paid {
            payment: captured(paid),
            show: Arc::clone(show),
            message: envelope.id,
            told_by: paid.provider_event_id.clone(),
            trace: current_trace(),
        };
        self.till.join(paid, |paid| self.payments_in_time(paid)).await.flatten()
    }

    /// The same for several payments.
    async fn payments_in_time(&self, paid: Vec<Paid>) -> Vec<Option<Changed>> {
        let mut changed = self.payments_sell(&paid).await.unwrap_or_else(|error| {
            tracing::warn!(%error, payments = paid.len(), "not settled together; each goes on alone");
            HashMap::new()
        });
        paid.iter().map(|paid| changed.remove(&paid.payment.booking)).collect()
    }

    async fn payments_sell(&self, paid: &[Paid]) -> Result<HashMap<BookingId, Changed>, AppError> {
        // The first message about a booking; another one finds what this one did.
        let mut first = HashMap::with_capacity(paid.len());
        for paid in paid {
            first.entry(paid.payment.booking).or_insert(paid);
        }
        let payments = first.iter().map(|(booking, paid)| (*booking, paid.payment.id));
        let payables = payable_list(&self.deps.pg, payments).await?;
        reach("confirm.read").await;
        let (mut sales, mut changed) = (Vec::with_capacity(first.len()), HashMap::with_capacity(first.len()));
        for payable in payables {
            if let Some(paid) = first.get(&payable.booking.id).filter(|paid| is_usual(&payable, paid)) {
                let (sale, after) = self.sale(payable, paid)?;
                changed.insert(after.booking.id, after);
                sales.push(sale);
            }
        }
        if sales.is_empty() {
            return Ok(changed);
        }
        let sold = sale_insert(&self.deps.pg, CONSUMER, &sales).await?;
        reach("confirm.committed").await;
        changed.retain(|booking, _| sold.contains(booking));
        Ok(changed)
    }

    fn sale(&self, payable: Payable, paid: &Paid) -> Result<(Sale, Changed), AppError> {
        let Payable { booking: before, seats, payment: payment_was, .. } = payable;
        let Confirmation { booking, tickets, event } =
            self.booking_confirmation(&paid.show, &before, &seats, Vec::new())?;
        let sale = Sale {
            before,
            payment_was,
            payment: paid.payment.clone(),
            tickets,
            message: paid.message,
            event: Envelope { trace: paid.trace.clone(), ..event },
            cause: Actor::Provider(paid.told_by.clone()).because(Reason::PaymentSucceeded),
        };
        Ok((sale, Changed { booking, seats: seat_numbers(&seats) }))
    }
}

/// Whether the booking is confirmed for this payment, and that is all.
fn is_usual(payable: &Payable, paid: &Paid) -> bool {
    let Payable { booking, show, payment, .. } = payable;
    let verdict = decide(&Facts {
        status: booking.status,
        due: booking.total,
        paid: paid.payment.amount,
        seen: *payment == Some(PaymentStatus::Succeeded),
        show_scheduled: *show == ShowStatus::Scheduled,
        show_ahead: booking.read_at < paid.show.starts_at,
    });
    verdict == Verdict::Confirm
}
