//! Deltas of one show to thousands of sockets, beside a bare broadcast of one prebuilt frame: how
//! much one CPU second delivers, how late the deltas come, and what an idle socket costs.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{
    Plan,
    hold::load,
    watching::{self, Traffic},
};
use crate::{
    measure::{Goal, Outcome, Pair},
    stand::{Show, Stand},
};

/// Deltas of a second in which a show sells well.
const PER_SECOND: u32 = 5;
/// What the goal permits beyond the time for which deltas are kept to be sent as one.
const DELIVERY_MS: f64 = 20.0;
/// `booking.seat_map.conflate_ms`, as it ships.
const CONFLATION_MS: f64 = 25.0;
/// Memory of a socket that watches while nothing happens: 14 KB.
const IDLE_BYTES: f64 = 14.0 * 1_024.0;
/// Until memory that sockets needed at their beginning only is back.
const CALM: Duration = Duration::from_secs(2);

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let show = stand.shows.take_one(200)?;
    load(stand, std::slice::from_ref(&show)).await?;
    // Each is worth having without the other.
    let throughput = throughput(stand, plan, &show).await.map(|outcome| found.push(outcome));
    let latency = latency(stand, plan, &show).await.map(|outcome| found.push(outcome));
    throughput.and(latency)
}

async fn throughput(stand: &Stand, plan: Plan, show: &Show) -> Result<Outcome> {
    let sockets = plan.of(10_000, 1_000);
    let traffic = Traffic { sockets, per_second: PER_SECOND, deltas: plan.of(50, 10) };
    let mut outcome = Outcome::new("fan-out", "deliveries per server CPU second", Some(Goal::Ratio(0.8)));
    let serving = [stand.process_of("gateway"), stand.process_of("booking")];
    for _ in 0..plan.pairs {
        let raw = watching::raw(stand, show, traffic).await?;
        let ours = watching::ours(stand, show, traffic).await?;
        let (raw_figure, our_figure) = (raw.per_cpu_second(&["raw"]), ours.per_cpu_second(&serving));
        outcome.pairs.push(Pair { raw, ours, raw_figure, our_figure });
    }
    outcome.note(format!(
        "{sockets} sockets on one show, {PER_SECOND} deltas per second; ours counts gateway and booking"
    ));
    Ok(outcome)
}

async fn latency(stand: &mut Stand, plan: Plan, show: &Show) -> Result<Outcome> {
    let sockets = plan.of(5_000, 500);
    let traffic = Traffic { sockets, per_second: PER_SECOND, deltas: plan.of(50, 10) };
    let goal = Goal::P99Ms(DELIVERY_MS + CONFLATION_MS);
    let mut outcome = Outcome::new("fan-out latency", "deliveries/s", Some(goal));
    let idle = idle_socket(stand, show, sockets).await?;
    outcome.limited("bytes resident per idle socket", idle, IDLE_BYTES);
    for _ in 0..plan.pairs {
        let raw = watching::raw(stand, show, traffic).await?;
        let ours = watching::ours(stand, show, traffic).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
    }
    outcome.note(format!(
        "{sockets} sockets, {PER_SECOND} deltas per second, from when a script was due to be called to the client; ours \
         includes {CONFLATION_MS} ms for which deltas are kept to be sent as one"
    ));
    Ok(outcome)
}

/// Memory of the process of the gateway for each socket that watches while nothing happens, in bytes.
async fn idle_socket(stand: &mut Stand, show: &Show, sockets: usize) -> Result<f64> {
    // A new process: what an old one has freed would be used again and hide the cost.
    let gateway = stand.process_of("gateway");
    stand.restart_process(gateway).await?;
    // The first few sockets pay for what all share.
    let first = watching::crowd(stand, show, 10, watching::nobody()).await?;
    sleep(CALM).await;
    let before = stand.resident(gateway);
    let crowd = watching::crowd(stand, show, sockets, watching::nobody()).await?;
    sleep(CALM).await;
    let after = stand.resident(gateway);
    crowd.close().await?;
    first.close().await?;
    Ok(after.saturating_sub(before) as f64 / sockets as f64)
}
