//! A mixed evening: nearly everybody browses and looks at seat maps, some book, some thousand watch.
//! Everything is due at fixed times, whether earlier things are done or not.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use client::operation;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use super::{
    Plan, browse,
    till::{Customer, Till, customers},
    watching::{crowd, nobody},
};
use crate::{
    load::{Crowd, Done, graphql, open},
    measure::{Curve, Outcome, Point, Recorder, median},
    stand::Stand,
};

/// Requests per second that read.
const READS: f64 = 950.0;
/// Bookings per second: each is a hold, a checkout and a payment.
const BOOKINGS: f64 = 17.0;
/// Shows that are watched.
const WATCHED: usize = 20;
/// Customers that may be served at the same time.
const TILLS: usize = 64;
const CONNECTIONS: usize = 256;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MIB: f64 = 1_048_576.0;
/// Memory that comes and goes with what is under way: a process that grows by less does not grow.
const GROWTH_MIB: f64 = 2.0;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let time = plan.of(Duration::from_secs(600), Duration::from_secs(8));
    let share = plan.of(1.0, 0.3);
    let customers = customers(stand, (BOOKINGS * share * time.as_secs_f64()).ceil() as usize).await?;
    let crowds = watch(stand, &customers, plan.of(2_000, 200)).await?;
    let reads = reads(stand)?;

    let (reading, buying) = (Recorder::new()?, Recorder::new()?);
    let mut memory = Memory::default();
    let load = open(stand.gateway(), CONNECTIONS, &reads, (READS * share, time), &reading, |_, answer| {
        anyhow::ensure!(!answer.has("\"errors\""), "a wrong answer: {}", answer.text());
        Ok(())
    });
    let mut sample = stand
        .metered(async {
            tokio::select! {
                done = async { tokio::try_join!(load, buy(stand, &customers, BOOKINGS * share, &buying)) } => {
                    let (read, bought) = done?;
                    Ok(Done { operations: read.operations + bought.operations, seconds: read.seconds })
                }
                () = memory.look(stand) => anyhow::bail!("looking at memory ended"),
            }
        })
        .await?;
    sample.latency = reading.latency();
    for crowd in crowds {
        crowd.close().await?;
    }

    let mut outcome = Outcome::new("mixed evening", "requests/s", None);
    outcome.fact("reads per second", READS * share);
    outcome.fact("bookings per second (hold, checkout, payment)", BOOKINGS * share);
    if let Some(latency) = buying.latency() {
        outcome.fact("booking p50, ms", latency.p50_ms);
        outcome.fact("booking p99, ms", latency.p99_ms);
        outcome.fact("booking p99.9, ms", latency.p999_ms);
    }
    outcome.fact(
        "CPU cores used by the platform",
        stand.platform().filter_map(|name| sample.cpu.get(name)).sum::<f64>() / sample.seconds,
    );
    memory.tell(&mut outcome);
    outcome.alone.push(sample);
    found.push(outcome);
    Ok(())
}

/// Pages and, twice as often, seat maps.
fn reads(stand: &Stand) -> Result<Vec<Bytes>> {
    let document = operation("SeatStates")?;
    let pages = browse::queries(stand.shows.all())?;
    let shows = stand.shows.all().iter().take(2 * pages.len());
    let mut maps = shows.map(|show| graphql(document, &json!({ "showId": show.id }), None));
    let mut reads = Vec::new();
    for page in pages {
        reads.push(page);
        reads.extend(maps.by_ref().take(2));
    }
    Ok(reads)
}

/// Sockets on shows that are sold.
async fn watch(stand: &Stand, customers: &[Customer], sockets: usize) -> Result<Vec<Crowd>> {
    let shows: BTreeMap<_, _> = customers.iter().map(|customer| (customer.show.id, &customer.show)).collect();
    let watched: Vec<_> = shows.into_values().take(WATCHED).collect();
    let mut crowds = Vec::with_capacity(watched.len());
    for show in &watched {
        crowds.push(crowd(stand, show, sockets / watched.len(), nobody()).await?);
    }
    Ok(crowds)
}

/// Serves the customers at fixed times.
async fn buy(stand: &Stand, customers: &[Customer], rate: f64, recorder: &Recorder) -> Result<Done> {
    let begin = Instant::now();
    let mut tills = JoinSet::new();
    for number in 0..TILLS {
        let mut till = Till::open(stand.gateway(), stand.address(stand.ports.sandbox)).await?;
        let mine: Vec<_> = customers.iter().cloned().enumerate().skip(number).step_by(TILLS).collect();
        let recorder = recorder.clone();
        tills.spawn(async move {
            for (turn, customer) in mine {
                let due = begin + Duration::from_secs_f64(turn as f64 / rate);
                sleep_until(due).await;
                till.serve(&customer).await?;
                recorder.record(due.elapsed());
            }
            anyhow::Ok(())
        });
    }
    while let Some(till) = tills.join_next().await {
        till??;
    }
    // Each booking is three requests.
    Ok(Done { operations: 3 * customers.len() as u64, seconds: begin.elapsed().as_secs_f64() })
}

/// Resident memory of each process over time.
#[derive(Default)]
struct Memory(BTreeMap<&'static str, Vec<Point>>);

impl Memory {
    /// Looks until it is dropped.
    async fn look(&mut self, stand: &Stand) {
        let (begin, mut ticks) = (Instant::now(), interval(LOOK_EVERY));
        loop {
            ticks.tick().await;
            for name in stand.platform() {
                let point = Point { x: begin.elapsed().as_secs_f64(), y: stand.resident(name) as f64 / MIB };
                self.0.entry(name).or_default().push(point);
            }
        }
    }

    /// The growth from the middle to the end, as curves and as numbers.
    fn tell(self, outcome: &mut Outcome) {
        for (name, points) in self.0 {
            let part = |from: usize, to: usize| {
                let slice = points.get(points.len() * from / 10..points.len() * to / 10).unwrap_or_default();
                median(&slice.iter().map(|point| point.y).collect::<Vec<_>>())
            };
            outcome.fact(&format!("{name}: MiB resident at the end"), part(9, 10));
            let grown = part(9, 10) - part(5, 6);
            outcome.limited(&format!("{name}: MiB grown in the second half"), grown, GROWTH_MIB);
            outcome.curves.push(Curve {
                name: format!("memory of {name}"),
                x: "seconds".to_owned(),
                y: "MiB resident".to_owned(),
                points,
            });
        }
    }
}
