//! What can happen to a refund.

use std::collections::BTreeMap;

use super::{Ledger, Record};
use crate::{
    behaviour::RefundOutcome,
    cards::{self, Outcome},
    currency,
    error::StripeError,
    model::{Cause, Charge, IntentStatus, Refund, RefundStatus, Row},
    source,
};

/// What a new refund is made from.
pub(crate) struct NewRefund {
    /// The intent, or else the charge, must be given.
    pub(crate) payment_intent: Option<String>,
    pub(crate) charge: Option<String>,
    /// In the smallest unit; all that is left when absent.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Ledger {
    /// The refund, or Stripe's "no such".
    pub(crate) fn refund(&self, id: &str) -> Result<&Refund, StripeError> {
        self.refunds.get(id).ok_or_else(|| StripeError::no_such("refund", id, "id"))
    }

    fn charge_to_refund(&self, new: &NewRefund) -> Result<Charge, StripeError> {
        if let Some(id) = &new.payment_intent {
            let intent = self
                .intents
                .get(id)
                .ok_or_else(|| StripeError::no_such("payment_intent", id, "payment_intent"))?;
            let charge = intent.latest_charge.as_ref().and_then(|id| self.charges.get(id));
            return match charge {
                Some(charge) if intent.status == IntentStatus::Succeeded => Ok(charge.clone()),
                _ => Err(StripeError::unexpected_state(
                    format!("This PaymentIntent ({id}) does not have a successful charge to refund."),
                    intent.json(),
                )),
            };
        }
        let id = new.charge.as_ref().ok_or_else(|| StripeError::missing("payment_intent"))?;
        let charge = self.charges.get(id).ok_or_else(|| StripeError::no_such("charge", id, "charge"))?;
        if charge.failure.is_some() {
            return Err(StripeError::invalid(
                "charge",
                format!("Charge {id} failed; there is nothing to refund."),
            ));
        }
        Ok(charge.clone())
    }

    /// Gives money back. `fate` is what the switches ask for; the test method of the charge may
    /// ask for something else, and then wins.
    pub(crate) fn refund_create(
        &mut self,
        new: NewRefund,
        fate: RefundOutcome,
        cause: &Cause,
    ) -> Result<Refund, StripeError> {
        let mut charge = self.charge_to_refund(&new)?;
        let left = charge.refundable();
        if left == 0 {
            return Err(StripeError::already_refunded(&charge.id));
        }
        let amount = new.amount.unwrap_or(left);
        if amount < 1 {
            return Err(StripeError::invalid_code(
                "amount",
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
            ));
        }
        if amount > left {
            let of =
                if charge.amount_refunded == 0 { "charge amount" } else { "unrefunded amount on charge" };
            return Err(StripeError::invalid(
                "amount",
                format!(
                    "Refund amount ({}) is greater than {of} ({})",
                    currency::display(amount, &charge.currency),
                    currency::display(left, &charge.currency),
                ),
            ));
        }

        let fate = match cards::find(&charge.test_method).map(|method| &method.outcome) {
            Some(Outcome::SucceedRefundPends) => RefundOutcome::Pending,
            Some(Outcome::SucceedRefundFails) => RefundOutcome::Failed,
            _ => fate,
        };
        let refund = Refund {
            id: source::new_id("re"),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            created: source::unix_now(),
            status: match fate {
                RefundOutcome::Succeeded => RefundStatus::Succeeded,
                RefundOutcome::Pending | RefundOutcome::Failed => RefundStatus::Pending,
            },
            will_fail: fate == RefundOutcome::Failed,
            reason: new.reason,
            failure_reason: None,
            metadata: new.metadata,
        };
        charge.amount_refunded += amount;
        self.put(Record::Charge(charge.clone()));
        self.put(Record::Refund(refund.clone()));
        self.emit(cause, "refund.created", refund.json());
        self.emit(cause, "charge.refunded", charge.json());
        if refund.status == RefundStatus::Succeeded {
            self.emit(cause, "refund.updated", refund.json());
        }
        Ok(refund)
    }

    /// A pending refund arrives, or comes back. Any other refund stays as it is.
    pub(crate) fn refund_settle(&mut self, id: &str) {
        let Some(mut refund) = self.refunds.get(id).cloned() else { return };
        if refund.status != RefundStatus::Pending {
            return;
        }
        let cause = Cause::default();
        if !refund.will_fail {
            refund.status = RefundStatus::Succeeded;
            self.put(Record::Refund(refund.clone()));
            self.emit(&cause, "refund.updated", refund.json());
            return;
        }
        refund.status = RefundStatus::Failed;
        refund.failure_reason = Some("expired_or_canceled_card".to_owned());
        self.put(Record::Refund(refund.clone()));
        if let Some(mut charge) = self.charges.get(&refund.charge).cloned() {
            charge.amount_refunded -= refund.amount;
            self.put(Record::Charge(charge));
        }
        self.emit(&cause, "refund.updated", refund.json());
        self.emit(&cause, "refund.failed", refund.json());
    }
}
