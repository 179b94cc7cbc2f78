//! Refunds: decided once, asked for until answered, settled once.
//!
//! * `refund.requested` comes twice, or the process dies after the provider was asked: the refund's
//!   id is the idempotency key, so the provider answers with the same refund.
//! * It comes so late that the provider forgot the key: the provider is first asked whether it
//!   has the refund.
//! * The provider's answer is lost, or the webhook: [`App::refunds_chase`] asks again.
//! * Settled twice, by answer and by webhook: the second finds it settled.
//! * The provider declines what it did before (an earlier request got through, its answer did
//!   not): it is asked for the refund before ours is given up, and what it says of one later
//!   overrules what we concluded.

use chrono::{DateTime, TimeDelta, Utc};
use events::Envelope;
use events::booking::{BookingRefunded, RefundCause};
use events::payment::{RefundRequested, RefundSettled};
use kernel::{Money, RefundId};
use platform::faults::reach;
use platform::{HandlerError, inbox, outbox};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::checkout::seat_numbers;
use super::confirm::CONSUMER;
use super::facts::{booking_facts, show_facts};
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::booking::BookingStatus;
use crate::domain::payment::{Payment, Refund, RefundOutcome, RefundStatus};
use crate::payments::{ProviderError, ProviderRefund, RefundOrder};
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::{booking_lock, booking_update_status};
use crate::store::refunds::{
    refund_get, refund_insert, refund_list, refund_list_unsettled, refund_mark_requested,
    refund_set_provider_id, refund_settle,
};
use crate::store::{SCHEMA, StoreError, now};

/// Who settles a refund when the provider answers at once.
const ASKED: Actor = Actor::system("payments.refunds");
/// After this time the provider may have forgotten the idempotency key (Stripe: 24 hours).
const KEY_LIFE: TimeDelta = TimeDelta::hours(12);
/// A refund that is pending for so long is asked for again.
const CHASE_AFTER: TimeDelta = TimeDelta::minutes(30);
/// Refunds chased in one run.
const CHASE_BATCH: u32 = 100;

/// What the provider said to a request for a refund.
enum Answer {
    /// It has this one.
    Refund(ProviderRefund),
    /// It has none and will make none, with its code.
    Declined(String),
}

impl App {
    /// Records that payments of one show go back, in whole or in part, under the locks of their
    /// bookings, which were read `now`. Gives of each the refund (the earlier one, when the payment already has one) and
    /// the event that asks for it, in the order of the payments.
    pub(crate) async fn refunds_owe<C: ConnectionTrait>(
        &self,
        conn: &C,
        payments: &[(&Payment, Money)],
        now: DateTime<Utc>,
        cause: RefundCause,
        actor: &Actor,
    ) -> Result<Vec<(Refund, Option<Envelope>)>, AppError> {
        let refunds: Vec<Refund> =
            payments.iter().map(|(payment, amount)| self.draw_refund(payment, *amount, now, cause)).collect();
        let owed = refund_insert(conn, &refunds, &actor.clone().because(cause.into())).await?;
        metrics::counter!("booking_refunds_total", "step" => "owed").increment(owed.len() as u64);
        let bookings: Vec<_> =
            refunds.iter().filter(|refund| !owed.contains(&refund.id)).map(|refund| refund.booking).collect();
        let earlier = if bookings.is_empty() { Vec::new() } else { refund_list(conn, &bookings).await? };
        refunds
            .into_iter()
            .map(|refund| {
                if owed.contains(&refund.id) {
                    let event = self.envelope(&requested(&refund))?;
                    return Ok((refund, Some(event)));
                }
                let earlier = earlier.iter().find(|earlier| earlier.payment == refund.payment);
                let missing = || StoreError::corrupt("refund of payment", refund.payment);
                Ok((earlier.ok_or_else(missing)?.clone(), None))
            })
            .collect()
    }

    fn draw_refund(
        &self,
        payment: &Payment,
        amount: Money,
        now: DateTime<Utc>,
        cause: RefundCause,
    ) -> Refund {
        Refund {
            id: RefundId::new(payment.id.show(), self.deps.ids.local()),
            booking: payment.booking,
            payment: payment.id,
            intent: payment.intent.clone(),
            amount,
            cause,
            status: RefundStatus::Pending,
            provider_refund: None,
            created_at: now,
            read_at: now,
        }
    }

    /// The same for a payment that buys nothing: all of it, and the event is appended.
    pub(crate) async fn payment_return<C: ConnectionTrait>(
        &self,
        conn: &C,
        payment: &Payment,
        now: DateTime<Utc>,
        cause: RefundCause,
        actor: &Actor,
    ) -> Result<(), AppError> {
        let owed = self.refunds_owe(conn, &[(payment, payment.amount)], now, cause, actor).await?;
        let events: Vec<Envelope> = owed.into_iter().filter_map(|(_, event)| event).collect();
        outbox::append_all(conn, SCHEMA, &events).await?;
        Ok(())
    }

    /// Applies `refund.requested`: asks the provider.
    ///
    /// # Errors
    /// When it has to come again.
    pub async fn refund_execute(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let requested: RefundRequested = envelope.decode()?;
        let id = requested.refund_id;
        let Some(refund) = refund_get(&self.deps.pg, id).await.map_err(AppError::from)? else {
            return Err(HandlerError::reject(format!("the unknown {id} was requested")));
        };
        if refund.status != RefundStatus::Pending {
            return Ok(());
        }
        reach("refund.requested").await;
        let answer = self.refund_ask(&refund).await.map_err(AppError::from)?;
        reach("refund.asked").await;
        match answer {
            Answer::Refund(ProviderRefund { id: provider_refund, outcome: RefundOutcome::Pending }) => {
                let pg = &self.deps.pg;
                Ok(refund_set_provider_id(pg, id, &provider_refund).await.map_err(AppError::from)?)
            }
            Answer::Refund(found) => {
                Ok(self.refund_finish(id, Some(&found.id), &found.outcome, ASKED, None).await?)
            }
            Answer::Declined(code) => {
                Ok(self.refund_finish(id, None, &RefundOutcome::Failed(code), ASKED, None).await?)
            }
        }
    }

    /// Only a decline is a verdict about the refund: a request that the provider does not accept
    /// speaks of a wrong key or a bug of ours, and stays an error until it is repaired.
    async fn refund_ask(&self, refund: &Refund) -> Result<Answer, ProviderError> {
        let order = RefundOrder {
            refund: refund.id,
            booking: refund.booking,
            intent: refund.intent.clone(),
            amount: refund.amount,
        };
        let is_old = refund.read_at - refund.created_at > KEY_LIFE;
        if (is_old || refund.provider_refund.is_some())
            && let Some(found) = self.provider.refund_find(&order).await?
        {
            return Ok(Answer::Refund(found));
        }
        match self.provider.refund_create(&order).await {
            Ok(made) => Ok(Answer::Refund(made)),
            Err(ProviderError::Declined { code }) => {
                let found = self.provider.refund_find(&order).await?;
                Ok(found.map_or(Answer::Declined(code), Answer::Refund))
            }
            Err(error) => Err(error),
        }
    }

    /// Applies `refund.settled`: what the provider's webhook said.
    ///
    /// # Errors
    /// When it has to come again.
    pub async fn refund_settled(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let settled: RefundSettled = envelope.decode()?;
        let outcome = if settled.succeeded {
            RefundOutcome::Succeeded
        } else {
            RefundOutcome::Failed(settled.failure.unwrap_or_else(|| "unknown".to_owned()))
        };
        let id = settled.refund_id;
        let provider_refund = Some(settled.provider_refund_id.as_str());
        // The message names the refund at the provider, and not the event that told of it.
        let actor = Actor::Provider(settled.provider_refund_id.clone());
        Ok(self.refund_finish(id, provider_refund, &outcome, actor, Some(envelope)).await?)
    }

    /// Brings a refund to its end, once, and its booking with it.
    async fn refund_finish(
        &self,
        id: RefundId,
        provider_refund: Option<&str>,
        outcome: &RefundOutcome,
        actor: Actor,
        envelope: Option<&Envelope>,
    ) -> Result<(), AppError> {
        let (status, failure, reason) = match outcome {
            RefundOutcome::Pending => return Ok(()),
            RefundOutcome::Succeeded => (RefundStatus::Succeeded, None, Reason::RefundSucceeded),
            RefundOutcome::Failed(code) => (RefundStatus::Failed, Some(code.as_str()), Reason::RefundFailed),
        };
        let cause = actor.because(reason);
        let show = self.show(id.show()).await?;
        let txn = self.deps.pg.begin().await?;
        if let Some(envelope) = envelope
            && !inbox::record(&txn, SCHEMA, CONSUMER, envelope).await?
        {
            txn.rollback().await?;
            return Ok(());
        }
        let unknown = || StoreError::corrupt("refund", id);
        let refund = refund_get(&txn, id).await?.ok_or_else(unknown)?;
        let booking = booking_lock(&txn, refund.booking).await?.ok_or_else(unknown)?;
        // Read again: another may have settled it while we waited for the booking.
        let refund = refund_get(&txn, id).await?.ok_or_else(unknown)?;
        let changes = match refund.status {
            RefundStatus::Pending => true,
            // A provider may take a success back (the buyer's bank refused), but not a failure.
            RefundStatus::Succeeded => status == RefundStatus::Failed,
            // A failure that we concluded gives way to what the provider says of its refund.
            RefundStatus::Failed => refund.provider_refund.is_none() && provider_refund.is_some(),
        };
        if !changes {
            txn.commit().await?;
            return Ok(());
        }
        refund_settle(&txn, id, status, provider_refund, failure, &cause).await?;
        let mut changed = None;
        if status == RefundStatus::Succeeded {
            let seats = booking_seats(&txn, booking.id).await?;
            let mut current = booking;
            let others = refund_list(&txn, &[current.id]).await?;
            let all_back =
                !others.iter().any(|other| other.id != id && other.status == RefundStatus::Pending);
            if all_back && current.status.can_become(BookingStatus::Refunded) {
                current = current.advance(BookingStatus::Refunded)?;
                booking_update_status(&txn, &current, &cause).await?;
            }
            let event = self.envelope(&BookingRefunded {
                booking: booking_facts(&show, &current, &seats),
                show: show_facts(&show),
                refund: refund.amount,
                cause: refund.cause,
            })?;
            outbox::append(&txn, SCHEMA, &event).await?;
            changed = Some((current, seat_numbers(&seats)));
        }
        reach("refund.updated").await;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        reach("refund.settled").await;
        if let Some(code) = failure {
            metrics::counter!("booking_refunds_total", "step" => "failed").increment(1);
            tracing::error!(refund = %id, booking = %refund.booking, code, "refund failed: a person has to look at it");
        } else {
            metrics::counter!("booking_refunds_total", "step" => "settled").increment(1);
        }
        if let Some((booking, seats)) = changed {
            self.announce(&booking, &seats).await;
        }
        Ok(())
    }

    /// Asks again for refunds that have been pending for long: whatever was lost on the way, a
    /// dead letter, an answer or a webhook.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn refunds_chase(&self) -> Result<(), AppError> {
        let asked_before = now(&self.deps.pg).await? - CHASE_AFTER;
        for id in refund_list_unsettled(&self.deps.pg, asked_before, CHASE_BATCH).await? {
            if self.refund_request_again(id, asked_before).await? {
                metrics::counter!("booking_refunds_total", "step" => "chased").increment(1);
            }
        }
        outbox::wake(SCHEMA);
        Ok(())
    }

    /// Requests a refund again, under its old id, which is its idempotency key. `false` when it came
    /// to an end, or was asked for since `asked_before`.
    pub(super) async fn refund_request_again(
        &self,
        id: RefundId,
        asked_before: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let txn = self.deps.pg.begin().await?;
        let Some(refund) = refund_get(&txn, id).await? else { return Ok(false) };
        let is_due = refund_mark_requested(&txn, id, asked_before).await?;
        if is_due {
            outbox::append(&txn, SCHEMA, &self.envelope(&requested(&refund))?).await?;
        }
        txn.commit().await?;
        Ok(is_due)
    }
}

fn requested(refund: &Refund) -> RefundRequested {
    RefundRequested {
        refund_id: refund.id,
        booking_id: refund.booking,
        provider_intent_id: refund.intent.clone(),
        amount: refund.amount,
        cause: refund.cause,
    }
}
