//! `holdSeats` through the gateway, beside `redis-benchmark` of the same script.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use client::operation;
use serde_json::json;

use super::{
    CONNECTIONS, Plan,
    script::{RawShows, benchmark},
};
use crate::{
    load::{Until, closed, graphql, open},
    measure::{Goal, Outcome, Pair, Recorder},
    stand::{Show, Stand},
};

/// Seats of a hold.
const SEATS: u16 = 2;
/// Holds of one person: all that the limit of ten seats permits, but for one seat pair.
const HOLDS_PER_PERSON: usize = 4;
/// Holds in one show, of 168 seats and more.
const HOLDS_PER_SHOW: usize = 80;
/// Part of the measured throughput at which latencies are measured.
const HALF: f64 = 0.5;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let holds = plan.of(16_000, 800);
    let raw_holds = plan.of(40_000, 10_000);
    let mut outcome = Outcome::new("hold", "holds/s", Some(Goal::Ratio(0.25)));
    for _ in 0..plan.pairs {
        let shows = RawShows::fill(&stand.redis, plan.of(1_000_000, 50_000), 'A').await?;
        let raw = stand.metered(async { benchmark(stand, &shows, raw_holds) }).await?;
        shows.clear().await?;

        let requests = requests(stand, holds).await?;
        let load = closed(stand.gateway(), CONNECTIONS, &requests, Until::Once, "\"userErrors\":[]");
        let ours = stand.metered(load).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
    }
    outcome.alone.push(latency(stand, plan, &outcome).await?);
    outcome.note(
        "raw: 64 clients without pipelining; one in some seventeen of its holds finds its seats taken, its token or its key \
         used already, as these are random",
    );
    outcome.note(format!(
        "ours: each person makes {HOLDS_PER_PERSON} holds, and the first one has its token verified"
    ));
    found.push(outcome);
    Ok(())
}

/// Latencies at half of the throughput.
async fn latency(stand: &mut Stand, plan: Plan, outcome: &Outcome) -> Result<crate::measure::Sample> {
    let rate =
        HALF * crate::measure::median(&outcome.pairs.iter().map(|pair| pair.our_figure).collect::<Vec<_>>());
    let time = plan.of(Duration::from_secs(6), Duration::from_secs(1));
    let requests = requests(stand, (rate * time.as_secs_f64()) as usize + HOLDS_PER_SHOW).await?;
    let recorder = Recorder::new()?;
    let load = open(stand.gateway(), 4 * CONNECTIONS, &requests, (rate, time), &recorder, |_, answer| {
        anyhow::ensure!(answer.has("\"userErrors\":[]"), "not held: {}", answer.text());
        Ok(())
    });
    let mut sample = stand.metered(load).await?;
    sample.latency = recorder.latency();
    Ok(sample)
}

/// At least `count` holds of distinct seats over many shows, which are loaded before.
async fn requests(stand: &mut Stand, count: usize) -> Result<Vec<Bytes>> {
    let shows = stand.shows.take(count.div_ceil(HOLDS_PER_SHOW), SEATS * HOLDS_PER_SHOW as u16)?;
    load(stand, &shows).await?;
    let document = operation("HoldSeats")?;
    // Neighbours in the list are of different people.
    let mut by_turn: Vec<Vec<Bytes>> = vec![Vec::new(); HOLDS_PER_PERSON];
    for show in &shows {
        for person in 0..HOLDS_PER_SHOW / HOLDS_PER_PERSON {
            let somebody = stand.people.somebody();
            for (turn, requests) in by_turn.iter_mut().enumerate() {
                let first = SEATS * (person * HOLDS_PER_PERSON + turn) as u16;
                let seats: Vec<_> = (first..first + SEATS).map(|index| show.seat(index)).collect();
                let key = format!("hold-{first}");
                let input = json!({ "showId": show.id, "seatIds": seats, "idempotencyKey": key });
                requests.push(graphql(document, &json!({ "input": input }), Some(&somebody.token)));
            }
        }
    }
    Ok(by_turn.concat())
}

/// Lets booking load these shows into Redis, so that the first hold does not have to.
pub async fn load(stand: &Stand, shows: &[Show]) -> Result<()> {
    let document = operation("SeatStates")?;
    let requests: Vec<Bytes> =
        shows.iter().map(|show| graphql(document, &json!({ "showId": show.id }), None)).collect();
    closed(stand.gateway(), 16, &requests, Until::Once, "\"states\":\"").await?;
    Ok(())
}
