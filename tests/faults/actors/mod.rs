//! Customers who do what customers do, and worse; and people who watch the seats.

mod actor;
mod answer;
mod board;
mod desk;
mod errand;
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
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use recorder::{Recorder, now};
pub use target::{RabbitTarget, Show, Target};
pub use watchers::{Watchers, read_map, watch};

use actor::Actor;
use board::Board;
use desk::Desk;
use person::Person;
use till::Till;

/// How many customers a round has.
pub const ACTORS: usize = 16;
/// How many people watch.
pub const WATCHERS: usize = 6;
/// Sign-ups at a time: hashing passwords is work.
const SIGN_UPS: usize = 4;

/// The customers of a round, with their accounts.
#[derive(Debug)]
pub struct Cast {
    people: Vec<Arc<Person>>,
}

/// Gives `count` customers an account each: before anything is broken.
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
    Ok(Cast { people })
}

/// Lets the customers do what the seed says until they are told to stop; returns when the last
/// one has finished what it was doing.
///
/// # Errors
/// When there is nothing to sell.
pub async fn run(
    target: &Target,
    cast: &Cast,
    seed: u64,
    until: CancellationToken,
    recorder: Arc<Recorder>,
) -> Result<()> {
    ensure!(target.shows.iter().any(|show| !show.seats.is_empty()), "no seats to sell");
    let target = Arc::new(target.clone());
    let board = Arc::new(Board::default());
    let till = Till::new(&target.sandbox, Arc::clone(&recorder))?;
    let keep = kept_bookings(&target, cast.people.len());
    let mut running = JoinSet::new();
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
