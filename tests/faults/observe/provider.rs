//! What the payment provider has.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    actors::settle_intent,
    observed::{Intent, ProviderRefund},
};

/// Objects on a page: the most that the provider gives.
const PAGE: usize = 100;
/// How often a page is asked for.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);
/// The key of the shop's server: the sandbox takes any of this form.
const KEY: &str = "sk_test_faults";
/// An event that was sent again is given so long to arrive.
const NUDGE_EVERY: Duration = Duration::from_secs(3);

/// Reads the sandbox's books.
#[derive(Debug)]
pub struct Provider {
    http: reqwest::Client,
    base: String,
    /// Events that were asked to be sent again, and when.
    nudged: HashMap<String, Instant>,
}

impl Provider {
    /// Of the sandbox at `base`.
    ///
    /// # Errors
    /// When the machine has no usable TLS set-up.
    pub fn new(base: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { http, base: base.to_owned(), nudged: HashMap::new() })
    }

    /// All payment intents.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub async fn intents(&self) -> Result<Vec<Intent>> {
        let intent = |value: &Value| {
            Some(Intent {
                id: text(&value["id"])?,
                booking: text(&value["metadata"]["booking_id"]),
                status: text(&value["status"])?,
                received_minor: value["amount_received"].as_i64()?,
            })
        };
        Ok(self.all("payment_intents").await?.iter().filter_map(intent).collect())
    }

    /// All refunds.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub async fn refunds(&self) -> Result<Vec<ProviderRefund>> {
        let refund = |value: &Value| {
            Some(ProviderRefund {
                id: text(&value["id"])?,
                intent: text(&value["payment_intent"])?,
                status: text(&value["status"])?,
                amount_minor: value["amount"].as_i64()?,
            })
        };
        Ok(self.all("refunds").await?.iter().filter_map(refund).collect())
    }

    /// Events whose webhooks did not get through yet. Between its attempts the provider waits for
    /// up to a minute, longer than a round can; so those are sent again now.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub async fn webhooks_outstanding(&mut self) -> Result<usize> {
        let mut outstanding = Vec::new();
        for event in self.all("events").await? {
            if event["pending_webhooks"].as_u64().unwrap_or_default() > 0 {
                outstanding.extend(text(&event["id"]));
            }
        }
        for event in &outstanding {
            let is_due = self.nudged.get(event).is_none_or(|at| at.elapsed() > NUDGE_EVERY);
            if is_due {
                let url = format!("{}/sandbox/events/{event}/resend", self.base);
                self.http.post(url).send().await?;
                self.nudged.insert(event.clone(), Instant::now());
            }
        }
        Ok(outstanding.len())
    }

    /// Payments that banks are still working on. They come to their end now: two of three are paid.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub async fn banks_outstanding(&self) -> Result<usize> {
        let intents = self.intents().await?;
        let processing: Vec<&Intent> =
            intents.iter().filter(|intent| intent.status == "processing").collect();
        for (place, Intent { id, .. }) in processing.iter().enumerate() {
            settle_intent(&self.http, &self.base, id, place % 3 != 2).await?;
        }
        Ok(processing.len())
    }

    /// Everything on a list, the newest first.
    async fn all(&self, list: &str) -> Result<Vec<Value>> {
        let mut objects: Vec<Value> = Vec::new();
        loop {
            let after = objects.last().and_then(|last| last["id"].as_str());
            let page = self.page(list, after).await?;
            let is_last = page["has_more"] != true;
            objects.extend(page["data"].as_array().into_iter().flatten().cloned());
            if is_last {
                return Ok(objects);
            }
        }
    }

    async fn page(&self, list: &str, after: Option<&str>) -> Result<Value> {
        let after = after.map_or_else(String::new, |id| format!("&starting_after={id}"));
        let url = format!("{}/v1/{list}?limit={PAGE}{after}", self.base);
        let mut tries = 1;
        loop {
            let asking = async {
                let answer = self.http.get(&url).bearer_auth(KEY).send().await?;
                answer.error_for_status()?.json::<Value>().await
            };
            match asking.await {
                Ok(page) => return Ok(page),
                Err(error) if tries == TRIES => return Err(error).context("the sandbox does not answer"),
                Err(_) => tries += 1,
            }
            sleep(PAUSE).await;
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
