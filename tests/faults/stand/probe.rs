//! Somebody who wants a seat again and again, to see how long nobody could have one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use client::{Client, Reply};
use kernel::{IdSource, SystemIds};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::actors::Show;

const EVERY: Duration = Duration::from_millis(50);
/// A probe without an answer in this time has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// After that it is given up.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery";

const READ: &str = "query Read($id: ID!) { show(id: $id) { seatMap { epoch } } }";
const HOLD: &str = "mutation Hold($input: HoldSeatsInput!) {
  holdSeats(input: $input) { hold { id } userErrors { code } } }";
const RELEASE: &str = "mutation Release($input: ReleaseHoldInput!) {
  releaseHold(input: $input) { released } }";

/// A customer who takes part in no sale: the show is nobody else's.
#[derive(Debug, Clone)]
pub struct Probe {
    client: Client,
    show: Show,
}

/// Makes the account of a probe.
///
/// # Errors
/// When the platform does not let it in.
pub async fn sign_up(visitor: &Client, email: &str) -> Result<Client> {
    let input = json!({ "email": email, "password": PASSWORD, "name": "Probe" });
    enter(visitor, "signUp", "SignUpInput", input).await
}

/// A session of an account that [`sign_up`] made.
///
/// # Errors
/// When the platform does not let it in.
pub async fn log_in(visitor: &Client, email: &str) -> Result<Client> {
    enter(visitor, "logIn", "LogInInput", json!({ "email": email, "password": PASSWORD })).await
}

async fn enter(visitor: &Client, field: &str, kind: &str, input: Value) -> Result<Client> {
    let document = format!(
        "mutation Enter($input: {kind}!) {{ {field}(input: $input) {{ session {{ accessToken }} userErrors {{ code }} }} }}"
    );
    let data = visitor.execute(&document, json!({ "input": input })).await?.ok()?;
    let token = data[field]["session"]["accessToken"].as_str();
    Ok(visitor.with_token(token.with_context(|| format!("{field}: {data}"))?))
}

impl Probe {
    /// For this show, as this customer.
    pub const fn new(client: Client, show: Show) -> Self {
        Self { client, show }
    }

    /// Tries until every try has succeeded since `ready` was; how long after `since` the first of
    /// those ended. None when that never comes.
    pub async fn restored(&self, since: Instant, ready: impl Future<Output = ()>) -> Option<Duration> {
        let probing = async {
            let mut ready = std::pin::pin!(ready);
            let mut is_ready = false;
            let mut works_since = None;
            loop {
                works_since = match self.succeeds().await {
                    true => works_since.or(Some(Instant::now())),
                    false => None,
                };
                if let (true, Some(works_since)) = (is_ready, works_since) {
                    return works_since;
                }
                tokio::select! {
                    () = &mut ready, if !is_ready => is_ready = true,
                    () = sleep(EVERY) => {}
                }
            }
        };
        let works_since = timeout(PATIENCE, probing).await.ok()?;
        Some(works_since.duration_since(since))
    }

    /// Whether a seat map can be read and a seat be held now.
    async fn succeeds(&self) -> bool {
        matches!(timeout(ANSWER_WITHIN, self.try_once()).await, Ok(Ok(())))
    }

    async fn try_once(&self) -> Result<()> {
        let read = self.client.execute(READ, json!({ "id": self.show.id })).await.and_then(Reply::ok)?;
        ensure!(read["show"]["seatMap"]["epoch"].is_string(), "no seat map: {read}");
        let key = SystemIds.uuid();
        // Any: one whose hold was not released, because the answer got lost, is refused, which is
        // an answer as good as another.
        let seat = self.show.seats.get(usize::from(key.as_bytes()[15]) % self.show.seats.len());
        let input = json!({ "showId": self.show.id, "seatIds": [seat], "idempotencyKey": key.to_string() });
        let held = self.client.execute(HOLD, json!({ "input": input })).await.and_then(Reply::ok)?;
        if let Some(hold) = held["holdSeats"]["hold"]["id"].as_str() {
            let input = json!({ "holdId": hold });
            self.client.execute(RELEASE, json!({ "input": input })).await.and_then(Reply::ok)?;
        }
        Ok(())
    }
}
