//! `SeatStates` of shows with 500 seats, beside GETRANGE of the same keys behind a bare server.

use anyhow::Result;
use bytes::Bytes;
use client::operation;
use serde_json::json;

use super::{CONNECTIONS, Plan, hold::load};
use crate::{
    load::{Until, closed, get, graphql},
    measure::{Goal, Outcome, Pair},
    stand::Stand,
};

/// Seats of the largest layout of the seed.
const SEATS: u16 = 500;
/// Shows at most.
const SHOWS: usize = 100;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let large = stand.shows.all().iter().filter(|show| show.seats == SEATS);
    let shows: Vec<_> = large.take(SHOWS).cloned().collect();
    load(stand, &shows).await?;
    let document = operation("SeatStates")?;
    let ours: Vec<Bytes> =
        shows.iter().map(|show| graphql(document, &json!({ "showId": show.id }), None)).collect();
    let raw: Vec<Bytes> = shows.iter().map(|show| get(&format!("/states/{}", show.id))).collect();

    let mut outcome = Outcome::new("seat map", "seat maps/s", Some(Goal::Ratio(0.5)));
    for _ in 0..plan.pairs {
        let until = Until::Over(plan.time());
        let raw = stand.metered(closed(stand.raw(), CONNECTIONS, &raw, until, "AAAA")).await?;
        let ours = stand.metered(closed(stand.gateway(), CONNECTIONS, &ours, until, "\"states\":\"")).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
    }
    outcome.fact("shows", shows.len() as f64);
    outcome.note(format!(
        "{} shows and {CONNECTIONS} connections: the gateway keeps the maps, and asks Redis for each request whether \
         its map is still right, for those that come meanwhile together",
        shows.len()
    ));
    found.push(outcome);
    Ok(())
}
