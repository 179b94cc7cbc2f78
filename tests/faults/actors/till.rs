//! Paying at the provider, as a browser does: with the client secret, and no key of the shop.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use super::{
    answer::{PATIENCE, brief},
    bank::{Bank, Settlement},
    recorder::Recorder,
};
use crate::history::{Action, Outcome};

/// Cards that pay; the last one takes its time with refunds.
const GOOD: [&str; 3] = ["pm_card_visa", "pm_card_mastercard", "pm_card_pendingRefund"];
/// Cards that are declined.
const BAD: [&str; 3] = [
    "pm_card_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedExpiredCard",
];
/// The account whose bank takes its time.
const SLOW: &str = "pm_usBankAccount_processing";
/// The card whose bank asks first.
const ASKING: &str = "pm_card_authenticationRequired";

/// What a buyer does at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    /// With a good card (any number will do).
    Good(usize),
    /// With a bad one (any number will do).
    Bad(usize),
    /// With one whose bank asks first.
    Asking,
    /// With an account whose bank takes its time.
    Slow(Settlement),
    /// Says yes to the bank.
    Approve,
}

/// A payment to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// For this booking.
    pub booking: String,
    /// The provider's id.
    pub intent: String,
    /// What lets a browser pay.
    pub secret: String,
}

/// The code of a payment that waits for the buyer's bank.
pub const REQUIRES_ACTION: &str = "requires_action";

/// Pays as one person.
#[derive(Debug, Clone)]
pub struct Till {
    http: reqwest::Client,
    sandbox: String,
    bank: Arc<Bank>,
    recorder: Arc<Recorder>,
}

impl Till {
    /// At this sandbox.
    ///
    /// # Errors
    /// When the machine has no usable TLS set-up.
    pub fn new(sandbox: &str, recorder: Arc<Recorder>) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE + Duration::from_secs(1)).build()?;
        let bank = Arc::new(Bank::new(http.clone(), sandbox));
        Ok(Self { http, sandbox: sandbox.to_owned(), bank, recorder })
    }

    /// Pays, or tries to.
    pub async fn pay(&self, actor: usize, user: &str, bill: &Bill, payment: Payment) -> Outcome {
        let action = Action::Pay { booking: bill.booking.clone(), intent: bill.intent.clone() };
        let no = self.recorder.begin(actor, user, action);
        let paying = async {
            match payment {
                Payment::Good(any) => self.confirm(bill, GOOD[any % GOOD.len()]).await,
                Payment::Bad(any) => self.confirm(bill, BAD[any % BAD.len()]).await,
                Payment::Asking => self.confirm(bill, ASKING).await,
                Payment::Slow(_) => self.confirm(bill, SLOW).await,
                Payment::Approve => self.approve(bill).await,
            }
        };
        let outcome = match timeout(PATIENCE, paying).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Unknown { why: brief(&error.without_url().to_string()) },
            Err(_) => Outcome::Unknown { why: "no answer in time".to_owned() },
        };
        self.recorder.end(no, outcome.clone());
        // The bank has it, or may have.
        if let Payment::Slow(settlement) = payment
            && !matches!(outcome, Outcome::Refused { .. })
        {
            self.bank.take(&bill.intent, settlement);
        }
        outcome
    }

    async fn confirm(&self, bill: &Bill, card: &str) -> reqwest::Result<Outcome> {
        let url = format!("{}/v1/payment_intents/{}/confirm", self.sandbox, bill.intent);
        let form = [("client_secret", bill.secret.as_str()), ("payment_method", card)];
        let answer = self.http.post(url).form(&form).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        Ok(match (status.as_u16(), body["status"].as_str()) {
            (200, Some("succeeded")) => Outcome::Paid { processing: false },
            (200, Some("processing")) => Outcome::Paid { processing: true },
            (200, Some(other)) => refused(other),
            (400..=428 | 430..=499, _) => refused(body["error"]["code"].as_str().unwrap_or("refused")),
            _ => Outcome::Unknown { why: format!("{status}") },
        })
    }

    /// Presses the button on the bank's page.
    async fn approve(&self, bill: &Bill) -> reqwest::Result<Outcome> {
        let url = format!("{}/pay/{}", self.sandbox, bill.intent);
        let form = [("client_secret", bill.secret.as_str()), ("bank", "approve")];
        let status = self.http.post(url).form(&form).send().await?.status();
        Ok(match status.as_u16() {
            200..=399 => Outcome::Paid { processing: false },
            400..=428 | 430..=499 => refused("unexpected_state"),
            _ => Outcome::Unknown { why: format!("{status}") },
        })
    }
}

fn refused(code: &str) -> Outcome {
    Outcome::Refused { code: code.to_owned(), seats: Vec::new() }
}
