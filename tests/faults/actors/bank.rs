//! The bank of those who do not pay by card: it takes its time, and then it has the money or not.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

/// What becomes of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// How long the bank takes.
    pub after: Duration,
    /// Whether it has the money then.
    pub paid: bool,
}

/// The bank. What it has not come to when it is dropped stays open at the provider: whoever waits for rest
/// settles that.
#[derive(Debug)]
pub struct Bank {
    http: reqwest::Client,
    sandbox: String,
    at_work: Mutex<JoinSet<()>>,
}

impl Bank {
    /// Of this sandbox.
    pub fn new(http: reqwest::Client, sandbox: &str) -> Self {
        Self { http, sandbox: sandbox.to_owned(), at_work: Mutex::default() }
    }

    /// Settles a payment, later.
    pub fn take(&self, intent: &str, Settlement { after, paid }: Settlement) {
        let (http, sandbox, intent) = (self.http.clone(), self.sandbox.clone(), intent.to_owned());
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            sleep(after).await;
            if let Err(error) = settle_intent(&http, &sandbox, &intent, paid).await {
                tracing::debug!(%error, "a payment stays open");
            }
        });
    }
}

/// Tells the sandbox what a bank has come to. A payment that is not its business any more is left alone there.
///
/// # Errors
/// When the sandbox does not answer.
pub async fn settle_intent(
    http: &reqwest::Client,
    sandbox: &str,
    intent: &str,
    paid: bool,
) -> reqwest::Result<()> {
    let url = format!("{sandbox}/sandbox/payment_intents/{intent}/settle");
    http.post(url).json(&json!({ "paid": paid })).send().await.map(drop)
}
