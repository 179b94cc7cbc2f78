//! The payment sandbox of a stack, and what a browser does with it.

use std::{path::Path, process::Command};

use anyhow::Result;
use serde_json::Value;

use crate::{http, process::Process, services::Services, stack::WEBHOOK_SECRET};

/// A card that pays.
pub const GOOD_CARD: &str = "pm_card_visa";
/// A bank that takes its time, until [`Sandbox::settle`].
pub const SLOW_BANK: &str = "pm_usBankAccount_processing";
/// A card that is declined.
pub const BAD_CARD: &str = "pm_card_chargeDeclined";

/// A running `paysim`.
#[derive(Debug)]
pub struct Sandbox {
    base: String,
    http: reqwest::Client,
    /// Ends with the stack.
    _process: Process,
}

impl Sandbox {
    pub(crate) fn start(services: &Services, dir: &Path, port: u16, webhook: &str) -> Result<Self> {
        let mut command = Command::new(&services.paysim);
        command
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--webhook-url", webhook])
            .args(["--webhook-secret", WEBHOOK_SECRET]);
        let process = Process::spawn(&mut command, &dir.join("paysim.log"))?;
        Ok(Self { base: format!("http://127.0.0.1:{port}"), http: http::client(), _process: process })
    }

    /// Its root address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Pays for what `checkout` gave, with the client secret, as a browser does.
    ///
    /// # Panics
    /// When the sandbox cannot be reached.
    pub async fn confirm(&self, checkout: &Value, card: &str) -> Value {
        let field = |name: &str| checkout["payment"][name].as_str().unwrap_or_default().to_owned();
        let path = format!("/v1/payment_intents/{}/confirm", field("providerIntentId"));
        self.post(&path, &[("client_secret", field("clientSecret")), ("payment_method", card.to_owned())])
            .await
    }

    /// Tells what came of a payment that is being processed.
    ///
    /// # Panics
    /// When the sandbox cannot be reached.
    pub async fn settle(&self, intent: &str, paid: bool) -> Value {
        let url = format!("{}/sandbox/payment_intents/{intent}/settle", self.base);
        json(self.http.post(url).json(&serde_json::json!({ "paid": paid }))).await
    }

    /// Posts a form, with the secret key.
    ///
    /// # Panics
    /// When the sandbox cannot be reached.
    pub async fn post(&self, path: &str, form: &[(&str, String)]) -> Value {
        let request =
            self.http.post(format!("{}{path}", self.base)).bearer_auth("sk_test_journeys").form(form);
        json(request).await
    }

    /// Sets how the sandbox misbehaves from now on.
    ///
    /// # Panics
    /// When the sandbox cannot be reached.
    pub async fn misbehave(&self, behaviour: &Value) -> Value {
        json(self.http.post(format!("{}/sandbox/behaviour", self.base)).json(behaviour)).await
    }

    /// Sends every event of this type again, the oldest first, lost ones included.
    ///
    /// # Panics
    /// When the sandbox cannot be reached, or there is no such event.
    pub async fn resend(&self, kind: &str) {
        let events = self.get(&format!("/v1/events?type={kind}&limit=100")).await;
        let ids =
            events["data"].as_array().into_iter().flatten().rev().filter_map(|event| event["id"].as_str());
        let ids: Vec<_> = ids.collect();
        assert!(!ids.is_empty(), "no {kind} in {events}");
        for id in ids {
            self.post(&format!("/sandbox/events/{id}/resend"), &[]).await;
        }
    }

    /// Reads a resource.
    ///
    /// # Panics
    /// When the sandbox cannot be reached.
    pub async fn get(&self, path: &str) -> Value {
        json(self.http.get(format!("{}{path}", self.base)).bearer_auth("sk_test_journeys")).await
    }
}

async fn json(request: reqwest::RequestBuilder) -> Value {
    let answer = async { request.send().await?.json().await };
    answer.await.unwrap_or_else(|error: reqwest::Error| panic!("the sandbox does not answer: {error}"))
}
