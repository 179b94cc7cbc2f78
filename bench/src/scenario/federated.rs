//! Queries of one and of two fetches through the gateway, beside the same work asked of the
//! subgraphs directly.

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use super::{CONNECTIONS, Plan, hold::load};
use crate::{
    load::{Until, closed, graphql},
    measure::{Goal, Outcome, Pair},
    stand::{Show, Stand},
};

/// Catalog alone.
const ONE: &str = "query One($id: ID!) { show(id: $id) { id startsAt format language } }";
/// Catalog, then booking.
const TWO: &str =
    "query Two($id: ID!) { show(id: $id) { id startsAt format language seatMap { version available } } }";
/// The first fetch of [`TWO`].
const FIRST: &str = "query First($id: ID!) { show(id: $id) { __typename id startsAt format language } }";
/// The second fetch of [`TWO`].
const SECOND: &str = "query Second($representations: [_Any!]!) {
  _entities(representations: $representations) { ... on Show { seatMap { version available } } } }";
/// More than connections, so that few equal queries are under way together.
const SHOWS: usize = 1_000;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan) -> Result<Vec<Outcome>> {
    let shows: Vec<Show> = stand.shows.all().iter().take(plan.of(SHOWS, 200)).cloned().collect();
    load(stand, &shows).await?;
    let by_id = |document: &str| -> Vec<Bytes> {
        shows.iter().map(|show| graphql(document, &json!({ "id": show.id }), None)).collect()
    };
    let second: Vec<Bytes> = shows
        .iter()
        .map(|show| json!([{ "__typename": "Show", "id": show.id }]))
        .map(|representations| graphql(SECOND, &json!({ "representations": representations }), None))
        .collect();
    let (catalog, booking) = (stand.address(stand.ports.catalog), stand.address(stand.ports.booking));
    let until = Until::Over(plan.time());

    let mut one = Outcome::new("one-fetch query", "queries/s", Some(Goal::Ratio(0.6)));
    let requests = by_id(ONE);
    for _ in 0..plan.pairs {
        let raw = stand.metered(closed(catalog, CONNECTIONS, &requests, until, "startsAt")).await?;
        let ours = stand.metered(closed(stand.gateway(), CONNECTIONS, &requests, until, "startsAt")).await?;
        one.pairs.push(Pair::of_rates(raw, ours));
    }
    one.note("raw: the same query, asked of catalog");

    let mut two = Outcome::new("two-fetch query", "queries/s", Some(Goal::Ratio(0.85)));
    let (first, requests) = (by_id(FIRST), by_id(TWO));
    for _ in 0..plan.pairs {
        let first = stand.metered(closed(catalog, CONNECTIONS, &first, until, "startsAt")).await?;
        let second = stand.metered(closed(booking, CONNECTIONS, &second, until, "version")).await?;
        let ours = stand.metered(closed(stand.gateway(), CONNECTIONS, &requests, until, "version")).await?;
        let raw_figure = 1.0 / (1.0 / first.rate() + 1.0 / second.rate());
        let our_figure = ours.rate();
        two.fact("first fetch, direct, per second", first.rate());
        two.fact("second fetch, direct, per second", second.rate());
        two.pairs.push(Pair { raw: first, ours, raw_figure, our_figure });
    }
    two.note(
        "raw: one over the sum of what both fetches cost when they are asked of catalog and booking directly",
    );
    Ok(vec![one, two])
}
