//! What can happen to a payment intent.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Ledger, Record};
use crate::{
    cards::{Decline, Outcome, TestMethod},
    error::StripeError,
    model::{Cause, Charge, Intent, IntentStatus, Row},
    source,
};

/// What a new intent is made from; checked already.
pub(crate) struct NewIntent {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) transfer_group: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_method: Option<&'static TestMethod>,
    pub(crate) payment_method_types: Vec<String>,
    pub(crate) automatic_methods: bool,
}

impl Ledger {
    /// The intent, or Stripe's "no such".
    pub(crate) fn intent(&self, id: &str) -> Result<&Intent, StripeError> {
        self.intents.get(id).ok_or_else(|| StripeError::no_such("payment_intent", id, "intent"))
    }

    /// The intent, when `secret` is its client secret.
    pub(crate) fn intent_of_client(&self, id: &str, secret: &str) -> Result<&Intent, StripeError> {
        let intent = self.intent(id)?;
        if intent.client_secret == secret {
            return Ok(intent);
        }
        Err(StripeError::invalid_code(
            "client_secret",
            "payment_intent_invalid_parameter",
            "The client_secret provided does not match the client_secret associated with the \
             PaymentIntent.",
        ))
    }

    /// Makes an intent.
    pub(crate) fn intent_create(&mut self, new: NewIntent, cause: &Cause) -> Intent {
        let id = source::new_id("pi");
        let status = match new.payment_method {
            Some(_) => IntentStatus::RequiresConfirmation,
            None => IntentStatus::RequiresPaymentMethod,
        };
        let intent = Intent {
            client_secret: format!("{id}_secret_{}", source::token(25)),
            id,
            amount: new.amount,
            currency: new.currency,
            status,
            created: source::unix_now(),
            customer: new.customer,
            description: new.description,
            receipt_email: new.receipt_email,
            statement_descriptor: new.statement_descriptor,
            transfer_group: new.transfer_group,
            return_url: new.return_url,
            metadata: new.metadata,
            payment_method: new.payment_method.map(|method| method.name.to_owned()),
            payment_method_types: new.payment_method_types,
            automatic_methods: new.automatic_methods,
            latest_charge: None,
            last_payment_error: None,
            next_action: None,
            canceled_at: None,
            cancellation_reason: None,
        };
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "payment_intent.created", intent.json());
        intent
    }

    /// The buyer confirms with a test method. `action_url` is where they would go for their
    /// bank's question.
    pub(crate) fn intent_confirm(
        &mut self,
        id: &str,
        method: &TestMethod,
        action_url: &str,
        cause: &Cause,
    ) -> Result<Intent, StripeError> {
        let intent = self.intent(id)?.clone();
        if !intent.status.is_open() {
            let message = match intent.status {
                IntentStatus::Succeeded => {
                    "You cannot confirm this PaymentIntent because it has already succeeded after \
                     being previously confirmed."
                        .to_owned()
                }
                status => format!(
                    "You cannot confirm this PaymentIntent because it has a status of {}.",
                    status.as_str()
                ),
            };
            return Err(StripeError::unexpected_state(message, intent.json()));
        }
        match &method.outcome {
            Outcome::Succeed | Outcome::SucceedRefundPends | Outcome::SucceedRefundFails => {
                Ok(self.intent_paid(intent, method.name, cause))
            }
            Outcome::Authenticate => Ok(self.intent_needs_action(intent, method.name, action_url, cause)),
            Outcome::Process => Ok(self.intent_processing(intent, method.name, cause)),
            Outcome::Decline(decline) => Err(self.intent_declined(intent, method.name, decline, cause)),
        }
    }

    /// The buyer answered their bank's question.
    pub(crate) fn intent_authenticate(
        &mut self,
        id: &str,
        approved: bool,
        cause: &Cause,
    ) -> Result<Intent, StripeError> {
        let intent = self.intent(id)?.clone();
        if intent.status != IntentStatus::RequiresAction {
            return Err(StripeError::unexpected_state(
                "This PaymentIntent does not wait for an authentication.",
                intent.json(),
            ));
        }
        let method = intent.payment_method.clone().unwrap_or_default();
        if approved {
            return Ok(self.intent_paid(intent, &method, cause));
        }
        Err(self.intent_declined(intent, &method, &AUTHENTICATION_FAILED, cause))
    }

    /// The bank came to its end with a payment.
    pub(crate) fn intent_settle(
        &mut self,
        id: &str,
        paid: bool,
        cause: &Cause,
    ) -> Result<Intent, StripeError> {
        let intent = self.intent(id)?.clone();
        if intent.status != IntentStatus::Processing {
            let message = "This PaymentIntent is not being processed.";
            return Err(StripeError::unexpected_state(message, intent.json()));
        }
        let method = intent.payment_method.clone().unwrap_or_default();
        if paid {
            return Ok(self.intent_paid(intent, &method, cause));
        }
        self.intent_declined(intent, &method, &DEBIT_FAILED, cause);
        self.intent(id).cloned()
    }

    /// Gives an open intent up.
    pub(crate) fn intent_cancel(
        &mut self,
        id: &str,
        reason: Option<String>,
        cause: &Cause,
    ) -> Result<Intent, StripeError> {
        let mut intent = self.intent(id)?.clone();
        if !intent.status.is_open() {
            return Err(StripeError::unexpected_state(
                format!(
                    "You cannot cancel this PaymentIntent because it has a status of {}. Only a \
                     PaymentIntent with one of the following statuses may be canceled: \
                     requires_payment_method, requires_capture, requires_confirmation, \
                     requires_action, processing.",
                    intent.status.as_str()
                ),
                intent.json(),
            ));
        }
        intent.status = IntentStatus::Canceled;
        intent.canceled_at = Some(source::unix_now());
        intent.cancellation_reason = reason;
        intent.next_action = None;
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "payment_intent.canceled", intent.json());
        Ok(intent)
    }

    fn intent_paid(&mut self, mut intent: Intent, test_method: &str, cause: &Cause) -> Intent {
        let charge = new_charge(&intent, test_method);
        intent.status = IntentStatus::Succeeded;
        intent.payment_method = Some(charge.payment_method.clone());
        intent.latest_charge = Some(charge.id.clone());
        intent.last_payment_error = None;
        intent.next_action = None;
        self.put(Record::Charge(charge.clone()));
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "charge.succeeded", charge.json());
        self.emit(cause, "payment_intent.succeeded", intent.json());
        intent
    }

    fn intent_needs_action(
        &mut self,
        mut intent: Intent,
        test_method: &str,
        action_url: &str,
        cause: &Cause,
    ) -> Intent {
        intent.status = IntentStatus::RequiresAction;
        intent.payment_method = Some(test_method.to_owned());
        intent.next_action = Some(json!({
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": intent.return_url, "url": action_url},
        }));
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "payment_intent.requires_action", intent.json());
        intent
    }

    fn intent_processing(&mut self, mut intent: Intent, test_method: &str, cause: &Cause) -> Intent {
        intent.status = IntentStatus::Processing;
        intent.payment_method = Some(test_method.to_owned());
        intent.last_payment_error = None;
        intent.next_action = None;
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "payment_intent.processing", intent.json());
        intent
    }

    fn intent_declined(
        &mut self,
        mut intent: Intent,
        test_method: &str,
        decline: &Decline,
        cause: &Cause,
    ) -> StripeError {
        let mut charge = new_charge(&intent, test_method);
        charge.failure = Some((
            decline.code.to_owned(),
            decline.decline_code.map(str::to_owned),
            decline.message.to_owned(),
        ));
        intent.status = IntentStatus::RequiresPaymentMethod;
        intent.payment_method = None;
        intent.next_action = None;
        intent.latest_charge = Some(charge.id.clone());
        intent.last_payment_error = Some(json!({
            "charge": charge.id,
            "code": decline.code,
            "decline_code": decline.decline_code,
            "message": decline.message,
            "payment_method": {"id": charge.payment_method, "object": "payment_method", "type": "card"},
            "type": "card_error",
        }));
        self.put(Record::Charge(charge.clone()));
        self.put(Record::Intent(intent.clone()));
        self.emit(cause, "charge.failed", charge.json());
        self.emit(cause, "payment_intent.payment_failed", intent.json());
        StripeError::card(decline, &charge.id, intent.json())
    }
}

const DEBIT_FAILED: Decline = Decline {
    code: "payment_method_provider_decline",
    decline_code: None,
    message: "The payment method was declined by the bank.",
};

const AUTHENTICATION_FAILED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: None,
    message: "We are unable to authenticate your payment method. Please choose a different \
              payment method and try again.",
};

/// A charge for the whole intent. Stripe makes a payment method of its own out of a named test
/// method, so the id that is shown is new.
fn new_charge(intent: &Intent, test_method: &str) -> Charge {
    Charge {
        id: source::new_id("ch"),
        payment_intent: intent.id.clone(),
        payment_method: source::new_id("pm"),
        test_method: test_method.to_owned(),
        amount: intent.amount,
        amount_refunded: 0,
        currency: intent.currency.clone(),
        created: source::unix_now(),
        failure: None,
        metadata: intent.metadata.clone(),
        receipt_email: intent.receipt_email.clone(),
    }
}
