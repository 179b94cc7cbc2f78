//! The provider's refunds against ours, in both directions.

use std::collections::HashMap;
use std::slice;

use events::payment::RefundSettled;
use kernel::{FindingId, RefundId};
use serde_json::{Value, json};

use super::pass::{Due, Pass};
use crate::app::AppError;
use crate::domain::finding::{Cause, NO_SHOW, Subject};
use crate::domain::payment::{RefundOutcome, RefundStatus};
use crate::domain::reconcile::{OurRefund, RefundView, refund_difference};
use crate::payments::ListedRefund;
use crate::store::reconcile::{RefundRecord, refund_list_unseen, refund_mark_reconciled, refund_record_list};

/// Whose place it is that a pass remembers.
const LIST: &str = "refunds";

impl Pass<'_> {
    /// Compares the refunds that the provider lists, then asks for those that we think are done and
    /// that the list did not have.
    pub(super) async fn refunds(&mut self) -> Result<(), AppError> {
        let mut walk = self.walk(LIST).await?;
        loop {
            let page = match self.app.provider.refund_list(&self.range(walk.after())).await {
                Ok(page) => page,
                Err(error) => return self.lost(LIST, walk.after(), error).await,
            };
            let oldest = page.items.last().map(|listed| listed.created);
            self.refunds_compare_page(&page.items).await?;
            if !self.goes_on(LIST, walk.turn(page.next, oldest)).await? {
                break;
            }
        }
        let (pg, batch) = (&self.app.deps.pg, self.batch());
        for record in refund_list_unseen(pg, self.window_from(), self.settled_before(), batch).await? {
            let done = self.refund_ask(&record).await;
            self.note_one(LIST, &record.id, done)?;
        }
        Ok(())
    }

    /// Compares a page, or, when one of it cannot be compared, the others.
    async fn refunds_compare_page(&mut self, page: &[ListedRefund]) -> Result<(), AppError> {
        match self.refunds_compare(page).await {
            Err(error) if !error.is_unavailable() => {
                for listed in page {
                    let done = self.refunds_compare(slice::from_ref(listed)).await;
                    self.note_one(LIST, &listed.refund.id, done)?;
                }
                Ok(())
            }
            done => done,
        }
    }

    async fn refund_ask(&mut self, record: &RefundRecord) -> Result<(), AppError> {
        let known = record.provider_refund.as_deref();
        let listed = match known {
            Some(id) => self.app.provider.refund_get(id).await?,
            None => None,
        };
        match listed {
            Some(listed) => {
                // Whatever the provider says of whose it is, we have it as ours.
                self.refunds_compare(&[ListedRefund { order: Some(record.id), ..listed }]).await
            }
            None => {
                let subject =
                    Subject::ProviderRefund(known.map_or_else(|| record.id.to_string(), str::to_owned));
                let causes = [Cause::RefundUnfounded];
                let detail = json!({
                    "refund": record.id,
                    "booking": record.booking,
                    "ours": record.status.as_str(),
                    "our_amount": record.amount,
                });
                self.judge(record.booking.show(), &subject, &causes, &detail).await.map(drop)
            }
        }
    }

    /// Compares refunds with what we have of them. Those that agree are remembered, and their
    /// bookings looked at.
    pub(super) async fn refunds_compare(&mut self, listed: &[ListedRefund]) -> Result<(), AppError> {
        let orders: Vec<RefundId> = listed.iter().filter_map(|listed| listed.order).collect();
        let records = refund_record_list(&self.app.deps.pg, &orders).await?;
        let records: HashMap<RefundId, RefundRecord> =
            records.into_iter().map(|record| (record.id, record)).collect();
        let mut agreed = Vec::new();
        let mut bookings = Vec::new();
        for listed in listed {
            let record = listed.order.and_then(|id| records.get(&id));
            if self.refund_compare(listed, record).await?
                && let Some(record) = record.filter(|record| !record.is_reconciled)
            {
                agreed.push(record.id);
                bookings.push(record.booking);
            }
        }
        self.bookings_compare(&bookings).await?;
        if !agreed.is_empty() {
            refund_mark_reconciled(&self.app.deps.pg, &agreed).await?;
        }
        Ok(())
    }

    /// `true` when both sides say that the money went back.
    async fn refund_compare(
        &mut self,
        listed: &ListedRefund,
        record: Option<&RefundRecord>,
    ) -> Result<bool, AppError> {
        let settled_before = self.settled_before();
        if listed.created >= settled_before
            || record.is_some_and(|record| record.changed_at >= settled_before)
        {
            return Ok(false);
        }
        let cause = refund_difference(&RefundView {
            their_id: &listed.refund.id,
            theirs: &listed.refund.outcome,
            their_amount: listed.amount,
            ours: record.map(|record| OurRefund {
                status: record.status,
                amount: record.amount,
                provider_refund: record.provider_refund.as_deref(),
            }),
        });
        let show = record.map_or(NO_SHOW, |record| record.booking.show());
        let subject = Subject::ProviderRefund(listed.refund.id.clone());
        for due in self.judge(show, &subject, cause.as_slice(), &detail(listed, record)).await? {
            if let Some(record) = record {
                self.refund_repair(due, listed, record).await?;
            }
        }
        Ok(cause.is_none() && listed.refund.outcome == RefundOutcome::Succeeded)
    }

    async fn refund_repair(
        &mut self,
        due: Due,
        listed: &ListedRefund,
        record: &RefundRecord,
    ) -> Result<(), AppError> {
        let failure = match &listed.refund.outcome {
            RefundOutcome::Pending => return Ok(()),
            RefundOutcome::Succeeded => None,
            RefundOutcome::Failed(code) => Some(code.clone()),
        };
        let event = RefundSettled {
            refund_id: record.id,
            provider_refund_id: listed.refund.id.clone(),
            succeeded: failure.is_none(),
            failure,
        };
        // A refund may succeed and fail later: these are two messages.
        let outcome = if event.succeeded { "succeeded" } else { "failed" };
        let provider = self.app.provider.name();
        let what = ["refund.settled", provider, &listed.refund.id, outcome];
        let event = self.event(&what, record.changed_at, &event)?;
        self.tell(due, &event).await
    }

    /// Looks again at a refund of which something was found before.
    pub(super) async fn refund_recheck(
        &mut self,
        finding: FindingId,
        provider_refund: &str,
        order: Option<RefundId>,
        detail: &Value,
    ) -> Result<(), AppError> {
        if let Some(listed) = self.app.provider.refund_get(provider_refund).await? {
            let order = listed.order.or(order);
            return self.refunds_compare(&[ListedRefund { order, ..listed }]).await;
        }
        let records = refund_record_list(&self.app.deps.pg, order.as_slice()).await?;
        let is_done = records.iter().any(|record| record.status == RefundStatus::Succeeded);
        let cause = is_done.then_some(Cause::RefundUnfounded);
        let subject = Subject::ProviderRefund(provider_refund.to_owned());
        self.judge(finding.show(), &subject, cause.as_slice(), detail).await.map(drop)
    }
}

fn detail(listed: &ListedRefund, record: Option<&RefundRecord>) -> Value {
    let theirs = match &listed.refund.outcome {
        RefundOutcome::Pending => "PENDING",
        RefundOutcome::Succeeded => "SUCCEEDED",
        RefundOutcome::Failed(_) => "FAILED",
    };
    json!({
        "intent": listed.intent,
        "theirs": theirs,
        "their_amount": listed.amount,
        "refund": listed.order,
        "booking": record.map(|record| record.booking),
        "ours": record.map(|record| record.status.as_str()),
        "our_amount": record.map(|record| record.amount),
        "our_provider_refund": record.and_then(|record| record.provider_refund.as_deref()),
    })
}
