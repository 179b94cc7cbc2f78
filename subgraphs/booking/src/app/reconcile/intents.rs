//! The provider's intents against our payments, in both directions.

use std::collections::HashMap;
use std::slice;

use events::payment::PaymentFailed;
use kernel::{BookingId, FindingId, PaymentId};
use serde_json::{Value, json};

use super::pass::{ACTOR, Due, Pass};
use crate::app::AppError;
use crate::domain::audit::Reason;
use crate::domain::finding::{Cause, NO_SHOW, Subject};
use crate::domain::payment::{IntentStatus, PaymentStatus, payment_id};
use crate::domain::reconcile::{PaymentView, payment_difference};
use crate::payments::ListedIntent;
use crate::store::payments::payment_record_intent;
use crate::store::reconcile::{
    PaymentRecord, UnseenPayment, payment_list_unseen, payment_mark_reconciled, payment_record_list,
};

/// Whose place it is that a pass remembers.
const LIST: &str = "intents";

impl Pass<'_> {
    /// Compares the intents that the provider lists, then asks for those that we think were paid and
    /// that the list did not have.
    pub(super) async fn intents(&mut self) -> Result<(), AppError> {
        let mut walk = self.walk(LIST).await?;
        loop {
            let page = match self.app.provider.intent_list(&self.range(walk.after())).await {
                Ok(page) => page,
                Err(error) => return self.lost(LIST, walk.after(), error).await,
            };
            let oldest = page.items.last().map(|listed| listed.created);
            self.intents_compare_page(&page.items).await?;
            if !self.goes_on(LIST, walk.turn(page.next, oldest)).await? {
                break;
            }
        }
        let (pg, batch) = (&self.app.deps.pg, self.batch());
        for payment in payment_list_unseen(pg, self.window_from(), self.settled_before(), batch).await? {
            let done = self.payment_ask(&payment).await;
            self.note_one(LIST, &payment.intent, done)?;
        }
        Ok(())
    }

    /// Compares a page, or, when one of it cannot be compared, the others.
    async fn intents_compare_page(&mut self, page: &[ListedIntent]) -> Result<(), AppError> {
        match self.intents_compare(page).await {
            Err(error) if !error.is_unavailable() => {
                for listed in page {
                    let done = self.intents_compare(slice::from_ref(listed)).await;
                    self.note_one(LIST, &listed.intent.id, done)?;
                }
                Ok(())
            }
            done => done,
        }
    }

    async fn payment_ask(&mut self, payment: &UnseenPayment) -> Result<(), AppError> {
        match self.app.provider.intent_get(&payment.intent).await? {
            Some(listed) => {
                // Whatever the provider says of whose it is, we have it as ours.
                self.intents_compare(&[ListedIntent { booking: Some(payment.booking), ..listed }]).await
            }
            None => {
                let detail =
                    json!({ "booking": payment.booking, "ours": "SUCCEEDED", "our_amount": payment.amount });
                let subject = Subject::Intent(payment.intent.clone());
                let causes = [Cause::PaymentUnfounded];
                self.judge(payment.booking.show(), &subject, &causes, &detail).await.map(drop)
            }
        }
    }

    /// Compares intents with what we have of them. Payments that agree are remembered, and their
    /// bookings looked at.
    pub(super) async fn intents_compare(&mut self, listed: &[ListedIntent]) -> Result<(), AppError> {
        let wanted: Vec<(BookingId, PaymentId)> =
            listed.iter().filter_map(|listed| Some((listed.booking?, payment_of(listed)?))).collect();
        let records = payment_record_list(&self.app.deps.pg, &wanted).await?;
        let records: HashMap<PaymentId, PaymentRecord> =
            records.into_iter().map(|record| (record.payment, record)).collect();
        let mut agreed = Vec::new();
        let mut bookings = Vec::new();
        for listed in listed {
            let record = payment_of(listed).and_then(|id| records.get(&id));
            if self.intent_compare(listed, record).await?
                && let Some(record) = record.filter(|record| !record.is_reconciled)
            {
                agreed.push(record.payment);
                bookings.push(record.booking);
            }
        }
        self.bookings_compare(&bookings).await?;
        if !agreed.is_empty() {
            payment_mark_reconciled(&self.app.deps.pg, &agreed).await?;
        }
        Ok(())
    }

    /// `true` when both sides have the money.
    async fn intent_compare(
        &mut self,
        listed: &ListedIntent,
        record: Option<&PaymentRecord>,
    ) -> Result<bool, AppError> {
        let settled_before = self.settled_before();
        if listed.since >= settled_before || record.is_some_and(|record| record.changed_at >= settled_before)
        {
            return Ok(false);
        }
        let cause = payment_difference(&PaymentView {
            theirs: listed.intent.status,
            their_amount: listed.intent.amount,
            booking: record.map(|record| record.booking_status),
            ours: record.and_then(|record| record.ours),
        });
        let show = record.map_or(NO_SHOW, |record| record.booking.show());
        let subject = Subject::Intent(listed.intent.id.clone());
        for due in self.judge(show, &subject, cause.as_slice(), &detail(listed, record)).await? {
            if let Some(record) = record {
                self.intent_repair(due, listed, record).await?;
            }
        }
        Ok(cause.is_none() && listed.intent.status == IntentStatus::Succeeded)
    }

    async fn intent_repair(
        &mut self,
        due: Due,
        listed: &ListedIntent,
        record: &PaymentRecord,
    ) -> Result<(), AppError> {
        let (intent, booking) = (&listed.intent, record.booking);
        let provider = self.app.provider.name();
        let provider_event_id = format!("reconciled:{}", intent.id);
        match due.cause {
            Cause::PaymentUnheard => {
                let event =
                    self.app.payment_succeeded_event(booking, &intent.id, intent.amount, provider_event_id);
                let what = ["payment.succeeded", provider, &intent.id];
                let event = self.event(&what, record.changed_at, &event)?;
                self.tell(due, &event).await
            }
            Cause::CancellationUnheard => {
                let event = PaymentFailed {
                    payment_id: Some(record.payment),
                    booking_id: booking,
                    provider: provider.to_owned(),
                    provider_intent_id: intent.id.clone(),
                    reason: "canceled".to_owned(),
                    cancelled: true,
                    provider_event_id,
                };
                let what = ["payment.cancelled", provider, &intent.id];
                let event = self.event(&what, record.changed_at, &event)?;
                self.tell(due, &event).await
            }
            Cause::IntentUnrecorded => {
                let done = self.intent_write_down(listed, booking).await;
                self.attempted(due, done).await
            }
            Cause::IntentLeftOpen => {
                let done = self.app.payments_call_off(booking, ACTOR).await;
                self.attempted(due, done).await
            }
            _ => Ok(()),
        }
    }

    /// Does what the checkout could not do any more after it had created the intent.
    async fn intent_write_down(&self, listed: &ListedIntent, booking: BookingId) -> Result<bool, AppError> {
        let payment = self.app.payment_of(booking, listed.intent.clone());
        let cause = ACTOR.because(Reason::Reconciled);
        let (status, _) = payment_record_intent(&self.app.deps.pg, &payment, &cause).await?;
        if !status.owns_seats() {
            self.app.payments_call_off(booking, ACTOR).await?;
        }
        Ok(true)
    }

    /// Looks again at an intent of which something was found before.
    pub(super) async fn intent_recheck(
        &mut self,
        finding: FindingId,
        intent: &str,
        booking: Option<BookingId>,
        detail: &Value,
    ) -> Result<(), AppError> {
        if let Some(listed) = self.app.provider.intent_get(intent).await? {
            let booking = listed.booking.or(booking);
            return self.intents_compare(&[ListedIntent { booking, ..listed }]).await;
        }
        let ours = booking.map(|booking| (booking, payment_id(booking.show(), intent)));
        let records = payment_record_list(&self.app.deps.pg, ours.as_slice()).await?;
        let paid = |record: &PaymentRecord| matches!(record.ours, Some((PaymentStatus::Succeeded, _)));
        let cause = records.iter().any(paid).then_some(Cause::PaymentUnfounded);
        let subject = Subject::Intent(intent.to_owned());
        self.judge(finding.show(), &subject, cause.as_slice(), detail).await.map(drop)
    }
}

fn payment_of(listed: &ListedIntent) -> Option<PaymentId> {
    Some(payment_id(listed.booking?.show(), &listed.intent.id))
}

fn detail(listed: &ListedIntent, record: Option<&PaymentRecord>) -> Value {
    let theirs = match listed.intent.status {
        IntentStatus::RequiresPayment => "REQUIRES_PAYMENT",
        IntentStatus::Processing => "PROCESSING",
        IntentStatus::Succeeded => "SUCCEEDED",
        IntentStatus::Cancelled => "CANCELLED",
    };
    let ours = record.and_then(|record| record.ours);
    json!({
        "booking": listed.booking,
        "booking_status": record.map(|record| record.booking_status.as_str()),
        "theirs": theirs,
        "their_amount": listed.intent.amount,
        "ours": ours.map(|(status, _)| status.as_str()),
        "our_amount": ours.map(|(_, amount)| amount),
    })
}
