//! Customers who do what customers do, and worse; and people who watch the seats.

mod actor;
mod answer;
mod bank;
mod board;
mod desk;
mod errand;
mod manager;
mod memory;
mod mischief;
mod person;
mod recorder;
mod target;
mod till;
mod watchers;

use std::sync::Arc;

use anyhow::{Result, ensure};
use client::Client;
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{IdSource, SystemIds};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use bank::settle_intent;
pub use manager::Manager;
pub use recorder::{Recorder, now};
pub use target::{RabbitTarget, Show, Target};
pub use watchers::{Watchers, read_map, watch};

use actor::Actor;
use board::Board;
use desk::Desk;
use person::Person;
use till::Till;

use crate::{nemesis::CallingOff, stand::MANAGER};

/// How many customers a round has.
pub const ACTORS: usize = 16;
/// How many people watch.
pub const WATCHERS: usize = 6;
/// Sign-ups at a time: hashing passwords is work.
const SIGN_UPS: usize = 4;

/// The people of a round, with their accounts.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The customers.
    people: Vec<Arc<Person>>,
    /// Who runs the theater.
    manager: Arc<Person>,
}

/// Gives `count` customers an account each, and lets the manager in: before anything is broken.
///
/// # Errors
/// When somebody is not let in for long.
pub async fn sign_up(target: &Target, count: usize) -> Result<Cast> {
    let visitor = Client::new(&target.graphql)?;
    let people = stream::iter(0..count).map(|number| {
        let email = format!("actor-{number}-{}@example.org", SystemIds.uuid().simple());
        Person::enter(visitor.clone(), email)
    });
    let people = people.buffered(SIGN_UPS).map_ok(Arc::new).try_collect().await?;
    let manager = Person::enter(visitor.clone(), MANAGER.to_owned()).await?;
    Ok(Cast { people, manager: Arc::new(manager) })
}

/// Lets the customers do what the seed says until they are told to stop, and the manager what is
/// planned; returns when the last one has finished what it was doing.
///
/// # Errors
/// When there is nothing to sell.
pub async fn run(
    target: &Target,
    cast: &Cast,
    seed: u64,
    calling_off: Option<CallingOff>,
    until: CancellationToken,
    recorder: Arc<Recorder>,
) -> Result<()> {
    let begin = Instant::now();
    ensure!(target.shows.iter().any(|show| !show.seats.is_empty()), "no seats to sell");
    let target = Arc::new(target.clone());
    let board = Arc::new(Board::default());
    let till = Till::new(&target.sandbox, Arc::clone(&recorder))?;
    let keep = kept_bookings(&target, cast.people.len());
    let mut running = JoinSet::new();
    if let Some(CallingOff { at, show }) = calling_off {
        let manager = Manager::new(&target, cast, &recorder);
        running.spawn(async move {
            sleep_until(begin + at).await;
            manager.call_off(show).await;
        });
    }
    for (number, person) in cast.people.iter().enumerate() {
        let desk =
            Desk { person: Arc::clone(person), target: Arc::clone(&target), recorder: Arc::clone(&recorder) };
        // Far apart, so that neighbouring rounds do not share their actors' dice.
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64);
        let actor = Actor::new(number, desk, till.clone(), Arc::clone(&board), rng, keep, until.clone());
        running.spawn(actor.run());
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    Ok(())
}

/// How many confirmed bookings each may keep, so that at most half of the seats stay sold and
/// there is always something to fight about.
fn kept_bookings(target: &Target, actors: usize) -> usize {
    const SEATS_PER_BOOKING: usize = 2;
    let seats: usize = target.shows.iter().map(|show| show.seats.len()).sum();
    (seats / 2 / (actors.max(1) * SEATS_PER_BOOKING)).clamp(1, 3)
}
