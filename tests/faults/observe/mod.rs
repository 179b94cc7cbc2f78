//! Waits until a round has come to rest, and reads what is left.

mod alarms;
mod mails;
mod provider;
mod queues;
mod settle;
mod store;
mod work;

use std::time::Duration;

use anyhow::Result;
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    actors::{Manager, Target, Watchers, now},
    history::Millis,
    observed::Observed,
};
use provider::Provider;
use queues::Queues;
use settle::Settling;
use store::Store;

/// What watchers get to catch up when everything else has come to rest, besides some heartbeats.
const CATCH_UP: Duration = Duration::from_secs(3);

/// Waits until nothing is under way any more, or until `time_to_settle` is over, and reads
/// everything. When all is at rest, `manager` tries to get seats of each show that was called off.
///
/// # Errors
/// When a store does not answer, although all faults are over.
pub async fn settle_and_observe(
    target: &Target,
    watchers: Watchers,
    manager: &Manager,
    time_to_settle: Duration,
) -> Result<Observed> {
    let start = Instant::now();
    let deadline = start + time_to_settle;
    let mut settling = Settling::begin(target, deadline).await?;
    let unsettled = settling.wait(deadline).await?;
    let settled_ms =
        unsettled.is_empty().then(|| u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    let quiet_at = settled_ms.map(|_| now());
    if quiet_at.is_some() {
        for show in settling.store.called_off().await? {
            manager.want_seats(&show).await;
        }
    }
    let watching_until = deadline.max(Instant::now() + CATCH_UP + 2 * target.heartbeat);
    let (maps, watched) = watchers.settled(watching_until).await;
    let logs = target.logs.clone();
    let alarms = spawn_blocking(move || alarms::read(&logs)).await?;
    let folder = target.mails.clone();
    let mails = spawn_blocking(move || mails::read(&folder)).await??;
    let Settling { store, provider, queues, .. } = settling;
    let observed = Observed {
        maps,
        watchers: watched,
        alarms,
        mails,
        settled_ms,
        quiet_at,
        unsettled,
        claim_limit_ms: target.claim_limit.as_millis().try_into().unwrap_or(Millis::MAX),
        ..read(&store, &provider, &queues).await?
    };
    queues.close().await;
    Ok(observed)
}

/// Everything that stores and provider have.
async fn read(store: &Store, provider: &Provider, queues: &Queues) -> Result<Observed> {
    let (intents, provider_refunds, depths) =
        tokio::try_join!(provider.intents(), provider.refunds(), queues.depths())?;
    Ok(Observed {
        kinds: store.kinds().await?,
        bookings: store.bookings().await?,
        allocations: store.allocations().await?,
        tickets: store.tickets().await?,
        payments: store.payments().await?,
        refunds: store.refunds().await?,
        audit: store.audit().await?,
        history: store.history().await?,
        findings: store.findings().await?,
        deliveries: store.deliveries().await?,
        outbox: work::outboxes(store).await?,
        deadlocks: store.deadlocks().await?,
        queues: depths,
        intents,
        provider_refunds,
        ..Observed::default()
    })
}
