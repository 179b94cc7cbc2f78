//! Thousands of people want the same 200 seats: the few win, the many are told at once, and exactly
//! 200 seats are sold.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::operation;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Plan,
    hold::load,
    progress::{End, Progress},
    script::{RawShows, benchmark},
    till::{Customer, Till, register},
};
use crate::{
    load::{Until, closed_with, graphql},
    measure::{Goal, Outcome, Pair, Sample},
    stand::{Person, Show, Stand, count},
};

/// What there is.
const SEATS: usize = 200;
/// People whose requests are under way at the same time.
const CONNECTIONS: usize = 128;

/// People who want seats of another show before, so that the first who win do not wait for what starts cold.
const WARM_UP: usize = 1_000;

/// What the crowd saw.
#[derive(Default)]
struct Seen {
    /// Number of the rival and the hold.
    winners: Vec<(usize, String)>,
    /// Seconds until the last winner knew.
    last_win: f64,
    losers: usize,
}

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let rivals = plan.of(10_000, 2_000);
    let mut outcome =
        Outcome::new("stampede", "losers answered/s, against the winners", Some(Goal::Ratio(1.0)));
    for _ in 0..plan.pairs {
        let taken = RawShows::fill(&stand.redis, 1, 'H').await?;
        let raw = stand.metered(async { benchmark(stand, &taken, plan.of(50_000, 10_000)) }).await?;
        taken.clear().await?;

        let shows = [stand.shows.take_one(SEATS as u16)?, stand.shows.take_one(SEATS as u16)?];
        load(stand, &shows).await?;
        let [show, other] = shows;
        rush(stand, &other, WARM_UP.min(rivals)).await?;
        let (ours, people, seen) = rush(stand, &show, rivals).await?;
        sell(stand, &show, &people, &seen.winners).await?;

        let winners_rate = SEATS as f64 / seen.last_win;
        let losers_rate = seen.losers as f64 / (ours.seconds - seen.last_win).max(f64::EPSILON);
        outcome.fact("raw: refusals per second of the script alone", raw.rate());
        outcome.pairs.push(Pair { raw, ours, raw_figure: winners_rate, our_figure: losers_rate });
    }
    outcome.fact("seats sold in each run", SEATS as f64);
    outcome.note(format!(
        "{rivals} people, each with a token of their own that is verified for the first time; the ratio is that of the \
         rate at which losers are answered to that of winners"
    ));
    found.push(outcome);
    Ok(())
}

/// So many people come at once for the seats of a show: the cost, who they were, and what they saw.
async fn rush(stand: &Stand, show: &Show, rivals: usize) -> Result<(Sample, Vec<Person>, Seen)> {
    let people: Vec<Person> = (0..rivals).map(|_| stand.people.somebody()).collect();
    let requests = requests(show, &people)?;
    let (seen, begin) = (Arc::new(Mutex::new(Seen::default())), Instant::now());
    let watching = Arc::clone(&seen);
    let crowd = closed_with(stand.gateway(), CONNECTIONS, &requests, Until::Once, move |number, answer| {
        let mut seen = watching.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.has("SeatsUnavailableError") {
            seen.losers += 1;
            return Ok(());
        }
        let hold = answer.json()?["data"]["holdSeats"]["hold"]["id"].as_str().map(str::to_owned);
        let hold = hold.with_context(|| format!("neither won nor lost: {}", answer.text()))?;
        seen.winners.push((number, hold));
        seen.last_win = begin.elapsed().as_secs_f64();
        Ok(())
    });
    let cost = stand.metered(crowd).await?;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(seen.winners.len() == SEATS, "{} holds for {SEATS} seats", seen.winners.len());
    ensure!(seen.losers == rivals - SEATS, "{} losers of {rivals}", seen.losers);
    Ok((cost, people, seen))
}

/// Everybody wants one of the seats: each seat has the same number of rivals, who come one after the
/// other.
fn requests(show: &Show, people: &[Person]) -> Result<Vec<Bytes>> {
    let document = operation("HoldSeats")?;
    let request = |(number, person): (usize, &Person)| {
        let seat = show.seat((number % SEATS) as u16);
        let input = json!({ "showId": show.id, "seatIds": [seat], "idempotencyKey": "stampede" });
        graphql(document, &json!({ "input": input }), Some(&person.token))
    };
    Ok(people.iter().enumerate().map(request).collect())
}

/// The winners buy; whether every seat was sold once. Ends when the worker has nothing left to do with it.
async fn sell(stand: &Stand, show: &Show, people: &[Person], winners: &[(usize, String)]) -> Result<()> {
    let customer = |(number, _): &(usize, String)| {
        let person = people.get(*number).context("a winner nobody knows")?.clone();
        anyhow::Ok(Customer { person, show: show.clone(), first: (number % SEATS) as u16 })
    };
    let customers = winners.iter().map(customer).collect::<Result<Vec<_>>>()?;
    register(stand, customers.iter().map(|customer| &customer.person)).await?;
    let mailed = Progress::new(stand, End::Mailed, &customers).await?;
    let mut till = Till::open(stand.gateway(), stand.address(stand.ports.sandbox)).await?;
    for (customer, (_, hold)) in customers.iter().zip(winners) {
        till.pay(&json!(hold), &customer.person).await?;
    }
    mailed.complete(stand).await?;
    let sold = format!(
        "select count(*) from booking.seat_allocations where show_id = '{}' and sold",
        show.id.uuid()
    );
    let sold = count(&stand.pg, &sold).await?;
    ensure!(sold == SEATS as i64, "{sold} of {SEATS} seats are sold");
    Ok(())
}
