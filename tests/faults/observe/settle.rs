//! Waiting for rest.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::Result;
use client::Client;
use tokio::time::{Instant, sleep};

use super::{
    provider::Provider,
    queues::Queues,
    store::Store,
    work::{Work, pulse},
};
use crate::{
    actors::{Target, read_map},
    observed::Map,
};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Messages that a consumer has in hand show nowhere, so there must be no effect for so long.
const QUIET: Duration = Duration::from_millis(400);
/// How often outstanding webhooks and payments are looked for while other things are under way.
const WEBHOOKS_EVERY: Duration = Duration::from_secs(2);

/// A round that comes to rest.
pub struct Settling {
    /// The round's database.
    pub store: Store,
    /// The payment provider.
    pub provider: Provider,
    /// The queues.
    pub queues: Queues,
    work: Work,
    client: Client,
    shows: Vec<String>,
    webhooks_at: Option<Instant>,
}

impl Settling {
    /// Connects to everything. The stores may have come back this moment: they get until the
    /// deadline.
    ///
    /// # Errors
    /// What does not answer.
    pub async fn begin(target: &Target, deadline: Instant) -> Result<Self> {
        let store = persist(deadline, async || Store::connect(&target.postgres).await).await?;
        let work = persist(deadline, async || Work::of(&store).await).await?;
        let queues = persist(deadline, async || Queues::connect(&target.rabbit).await).await?;
        Ok(Self {
            store,
            work,
            queues,
            provider: Provider::new(&target.sandbox)?,
            client: Client::new(&target.graphql)?,
            shows: target.shows.iter().map(|show| show.id.clone()).collect(),
            webhooks_at: None,
        })
    }

    /// Waits until nothing was under way for a while, or until the deadline. Gives what still is.
    ///
    /// # Errors
    /// When a store does not answer at the deadline.
    pub async fn wait(&mut self, deadline: Instant) -> Result<Vec<String>> {
        let mut quiet: Option<(String, Instant)> = None;
        loop {
            let is_over = Instant::now() >= deadline;
            let busy = match self.look(quiet.is_some()).await {
                Ok((busy, pulse)) if busy.is_empty() => {
                    match &quiet {
                        Some((before, since)) if *before == pulse => {
                            if since.elapsed() >= QUIET {
                                return Ok(Vec::new());
                            }
                        }
                        _ => quiet = Some((pulse, Instant::now())),
                    }
                    vec!["it was not quiet for long enough".to_owned()]
                }
                Ok((busy, _)) => {
                    quiet = None;
                    busy
                }
                Err(error) if is_over => return Err(error),
                Err(error) => {
                    quiet = None;
                    vec![format!("{error:#}")]
                }
            };
            tracing::debug!(?busy, "under way");
            if is_over {
                return Ok(busy);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What is under way, and the pulse at that moment. What is dear to ask is asked only when
    /// all else has come to rest, and not again while it stays so.
    async fn look(&mut self, is_quiet: bool) -> Result<(Vec<String>, String)> {
        let pulse = pulse(&self.store).await?;
        let mut busy = self.work.under_way(&self.store).await?;
        if busy.is_empty() && !is_quiet {
            busy = self.seats().await?;
        }
        let webhooks_due = self.webhooks_at.is_none_or(|at| at.elapsed() > WEBHOOKS_EVERY);
        if (busy.is_empty() && !is_quiet) || webhooks_due {
            self.webhooks_at = Some(Instant::now());
            let outstanding = self.provider.webhooks_outstanding().await?;
            if outstanding > 0 {
                busy.push(format!("{outstanding} webhooks to be delivered"));
            }
            let processing = self.provider.banks_outstanding().await?;
            if processing > 0 {
                busy.push(format!("{processing} payments that banks work on"));
            }
        }
        if busy.is_empty() && !is_quiet {
            busy = self.money().await?;
        }
        if busy.is_empty() {
            // Dead letters lie until somebody looks after them: they are no work in progress.
            let depths = self.queues.depths().await?.into_iter();
            let waiting = depths.filter(|(name, _)| !name.ends_with(".dead"));
            busy.extend(waiting.map(|(name, depth)| format!("{depth} messages in {name}")));
        }
        Ok((busy, pulse))
    }

    /// Seats that are held still, or shown otherwise than PostgreSQL has them.
    async fn seats(&self) -> Result<Vec<String>> {
        let mut owners: BTreeMap<String, HashMap<u16, bool>> = BTreeMap::new();
        for allocation in self.store.allocations().await? {
            owners.entry(allocation.show).or_default().insert(allocation.seat, allocation.sold);
        }
        let called_off = self.store.called_off().await?;
        let mut busy = Vec::new();
        for show in &self.shows {
            match read_map(&self.client, show).await {
                Ok(map) => {
                    let owners = owners.remove(show).unwrap_or_default();
                    let wrong = differences(&map, &owners, called_off.contains(show));
                    if wrong > 0 {
                        busy.push(format!("{wrong} seats of {show} are held or shown otherwise than owned"));
                    }
                }
                Err(why) => busy.push(format!("the seat map of {show} cannot be read: {why}")),
            }
        }
        Ok(busy)
    }

    /// Money that the provider took or gives back, and that is not accounted for.
    async fn money(&self) -> Result<Vec<String>> {
        let (intents, refunds, payments) =
            tokio::try_join!(self.provider.intents(), self.provider.refunds(), self.store.payments())?;
        let known: HashMap<&str, &str> =
            payments.iter().map(|payment| (payment.intent.as_str(), payment.status.as_str())).collect();
        let unknown = intents.iter().filter(|intent| intent.received_minor > 0);
        let unknown = unknown.filter(|intent| known.get(intent.id.as_str()) != Some(&"SUCCEEDED")).count();
        let pending = refunds.iter().filter(|refund| refund.status == "pending").count();
        let mut busy = Vec::new();
        if unknown > 0 {
            busy.push(format!("{unknown} captured payments that booking does not know of"));
        }
        if pending > 0 {
            busy.push(format!("{pending} refunds pending at the provider"));
        }
        Ok(busy)
    }
}

/// Tries until the deadline.
async fn persist<T>(deadline: Instant, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// Seats whose letter is not that of their owner: `S` sold, `H` claimed or held, else none. Where the
/// show is called off, each is blocked.
fn differences(map: &Map, owners: &HashMap<u16, bool>, called_off: bool) -> usize {
    let is_right = |(seat, letter): (u16, u8)| match owners.get(&seat) {
        Some(true) => letter == b'S',
        Some(false) => letter == b'H',
        None => letter == b'B' || (letter == b'A' && !called_off),
    };
    (0..).zip(map.states.bytes()).filter(|seat| !is_right(*seat)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_must_look_like_their_owners() {
        let map = |states: &str| Map {
            show: String::new(),
            epoch: String::new(),
            version: 0,
            states: states.to_owned(),
            degraded: false,
        };
        let owners = HashMap::from([(0, true), (1, false)]);
        assert_eq!(differences(&map("SHAB"), &owners, false), 0);
        assert_eq!(differences(&map("AHSH"), &owners, false), 3);
        assert_eq!(differences(&map("SHAB"), &owners, true), 1);
        assert_eq!(differences(&map("BBBB"), &HashMap::new(), true), 0);
    }
}
