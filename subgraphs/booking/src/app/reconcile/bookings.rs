//! Bookings against what was paid for them and what was given for it, and what should have ended.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{BookingId, PaymentId, RefundId};
use platform::outbox;
use sea_orm::TransactionTrait;
use serde_json::{Value, json};

use super::pass::{ACTOR, MOST_BATCHES, Pass};
use crate::app::AppError;
use crate::domain::audit::Reason;
use crate::domain::finding::{Cause, NO_SHOW, Subject};
use crate::domain::payment::IntentStatus;
use crate::domain::reconcile::{Standing, booking_differences};
use crate::store::SCHEMA;
use crate::store::bookings::booking_lock;
use crate::store::claims::booking_list_overdue;
use crate::store::cursors::{cursor_get, cursor_set};
use crate::store::payments::payment_list;
use crate::store::reconcile::payment_reopen;
use crate::store::standings::{
    booking_list_changed, booking_list_unrefunded, refund_list_failed, standing_list,
};

const CURSOR: &str = "bookings";
/// Changes are looked for in slices, so that one look never sorts more than these.
const SLICE: TimeDelta = TimeDelta::minutes(5);

/// A place in the order of changes.
type Place = (DateTime<Utc>, BookingId);

impl Pass<'_> {
    /// Looks at bookings that changed since the last pass, and at those that take too long.
    pub(super) async fn bookings(&mut self) -> Result<(), AppError> {
        let (pg, batch) = (&self.app.deps.pg, self.batch());
        let patience = self.app.config.reconcile.patience().to_std().unwrap_or_default();
        let overdue = booking_list_overdue(pg, patience, batch).await?;
        let unrefunded = booking_list_unrefunded(pg, self.late_before(), batch).await?;
        self.bookings_compare(&[overdue, unrefunded].concat()).await?;
        self.bookings_with_failed_refunds().await?;
        self.bookings_changed().await
    }

    /// A refund may fail long after its booking changed for the last time.
    async fn bookings_with_failed_refunds(&mut self) -> Result<(), AppError> {
        let (until, batch) = (self.settled_before(), self.batch());
        let mut after = (self.window_from(), RefundId::new(NO_SHOW, 0));
        for _ in 0..MOST_BATCHES {
            let failed = refund_list_failed(&self.app.deps.pg, after, until, batch).await?;
            let ids: Vec<BookingId> = failed.iter().map(|(_, _, booking)| *booking).collect();
            self.bookings_compare(&ids).await?;
            match failed.last() {
                Some((time, refund, _)) if failed.len() == batch as usize => after = (*time, *refund),
                _ => return Ok(()),
            }
        }
        self.unfinished("failed_refunds");
        Ok(())
    }

    async fn bookings_changed(&mut self) -> Result<(), AppError> {
        let batch = self.batch();
        let end = self.settled_before();
        let kept = cursor_get(&self.app.deps.pg, CURSOR).await?;
        let kept = kept.as_deref().and_then(parse).filter(|(time, _)| *time < end);
        let mut place = kept.unwrap_or((self.window_from(), nowhere())).max((self.window_from(), nowhere()));
        let mut batches = 0;
        while batches < MOST_BATCHES && place.0 < end {
            let until = end.min(place.0 + SLICE);
            let changed = booking_list_changed(&self.app.deps.pg, place, until, batch).await?;
            let ids: Vec<BookingId> = changed.iter().map(|(_, booking)| *booking).collect();
            self.bookings_compare(&ids).await?;
            place = match changed.last() {
                Some(last) if changed.len() == batch as usize => *last,
                _ => (until, nowhere()),
            };
            batches += usize::from(!changed.is_empty());
        }
        let behind = (end - place.0).max(TimeDelta::zero());
        metrics::gauge!("booking_reconciliation_bookings_behind_seconds").set(behind.num_seconds() as f64);
        if place.0 < end {
            self.unfinished(CURSOR);
        }
        // What commits late is seen the next time.
        if place.0 >= end {
            place = (end - self.app.config.reconcile.grace(), nowhere());
        }
        cursor_set(&self.app.deps.pg, CURSOR, Some(&format(place))).await?;
        Ok(())
    }

    /// Compares what belongs to each of these bookings.
    pub(super) async fn bookings_compare(&mut self, ids: &[BookingId]) -> Result<(), AppError> {
        let ids: Vec<BookingId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for ids in ids.chunks(self.batch() as usize) {
            match self.bookings_compare_batch(ids).await {
                // One of them cannot be compared: the others can.
                Err(error) if !error.is_unavailable() => {
                    for id in ids {
                        let done = self.bookings_compare_batch(&[*id]).await;
                        self.note_one(CURSOR, id, done)?;
                    }
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn bookings_compare_batch(&mut self, ids: &[BookingId]) -> Result<(), AppError> {
        for standing in standing_list(&self.app.deps.pg, ids, self.late_before()).await? {
            self.booking_compare(&standing).await?;
        }
        Ok(())
    }

    async fn booking_compare(&mut self, standing: &Standing) -> Result<(), AppError> {
        let causes = booking_differences(standing, self.late_before());
        let subject = Subject::Booking(standing.id);
        for due in self.judge(standing.id.show(), &subject, &causes, &detail(standing)).await? {
            match due.cause {
                Cause::CaptureUnsettled => {
                    let done = self.capture_settle(standing.id).await;
                    self.attempted(due, done).await?;
                }
                Cause::ClaimOverdue => {
                    let done = self.claim_end(standing.id).await;
                    self.attempted(due, done).await?;
                }
                Cause::RefundNotAsked => {
                    let done = self.refunds_ask_again(&standing.unasked).await;
                    self.attempted(due, done).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks again at a booking of which something was found before.
    pub(super) async fn booking_recheck(&mut self, id: BookingId, detail: &Value) -> Result<(), AppError> {
        let standings = standing_list(&self.app.deps.pg, &[id], self.late_before()).await?;
        match standings.first() {
            Some(standing) => self.booking_compare(standing).await,
            None => self.judge(id.show(), &Subject::Booking(id), &[], detail).await.map(drop),
        }
    }

    /// A payment was written down as captured, and nothing came of it. That is taken back, and told
    /// again, so that it takes its usual way; if the provider has the money.
    async fn capture_settle(&self, id: BookingId) -> Result<bool, AppError> {
        let mut is_reopened = false;
        for payment in payment_list(&self.app.deps.pg, &[id]).await? {
            let listed = self.app.provider.intent_get(&payment.intent).await?;
            let Some(intent) = listed.map(|listed| listed.intent) else { continue };
            if intent.status != IntentStatus::Succeeded {
                continue;
            }
            let source = format!("reconciled:{}", payment.intent);
            let event = self.app.payment_succeeded_event(id, &payment.intent, intent.amount, source);
            let event = self.app.envelope(&event)?;
            let txn = self.app.deps.pg.begin().await?;
            booking_lock(&txn, id).await?;
            let is_unsettled = |standing: &Standing, payment: PaymentId| {
                booking_differences(standing, DateTime::<Utc>::MIN_UTC).contains(&Cause::CaptureUnsettled)
                    && standing.kept.contains(&payment)
            };
            // Another may have settled it while we asked.
            let standings = standing_list(&txn, &[id], self.late_before()).await?;
            if standings.iter().any(|standing| is_unsettled(standing, payment.id))
                && payment_reopen(&txn, payment.id, &ACTOR.because(Reason::Reconciled)).await?
            {
                outbox::append(&txn, SCHEMA, &event).await?;
                is_reopened = true;
            }
            txn.commit().await?;
            outbox::wake(SCHEMA);
        }
        Ok(is_reopened)
    }

    async fn claim_end(&self, id: BookingId) -> Result<bool, AppError> {
        let show = self.app.show(id.show()).await?;
        Ok(!self.app.claims_expire(&show, &[id], ACTOR).await?.is_empty())
    }

    async fn refunds_ask_again(&self, ids: &[RefundId]) -> Result<bool, AppError> {
        let mut is_asked = false;
        for id in ids {
            is_asked |= self.app.refund_request_again(*id, self.late_before()).await?;
        }
        outbox::wake(SCHEMA);
        Ok(is_asked)
    }
}

/// Before every booking of a moment.
fn nowhere() -> BookingId {
    BookingId::new(NO_SHOW, 0)
}

fn format((time, booking): Place) -> String {
    format!("{} {booking}", time.timestamp_micros())
}

fn parse(text: &str) -> Option<Place> {
    let (micros, booking) = text.split_once(' ')?;
    Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, booking.parse().ok()?))
}

fn detail(standing: &Standing) -> Value {
    json!({
        "status": standing.status.as_str(),
        "total": standing.total,
        "seats": standing.seats,
        "owned": standing.owned,
        "sold": standing.sold,
        "tickets": standing.tickets,
        "kept": standing.kept,
        "failed_refunds": standing.failed,
        "unasked_refunds": standing.unasked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_text() {
        let place = (DateTime::from_timestamp_micros(1_900_000_000_123_456).unwrap(), nowhere());
        assert_eq!(parse(&format(place)), Some(place));
        assert_eq!(parse("yesterday"), None);
    }
}
