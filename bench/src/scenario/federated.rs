//! Queries of one and of two fetches through the gateway, beside the same work asked of the
//! subgraphs directly. No answer is one that the gateway has kept: it could give that without a fetch.

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use super::{CONNECTIONS, Plan, hold::load};
use crate::{
    load::{Done, Until, closed, graphql},
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
/// Of one measurement.
const QUESTIONS: usize = 16_000;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
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
    let (first, mut new) = (by_id(ONE), Questions::new(ONE, &shows));
    for _ in 0..plan.pairs {
        let raw = stand.metered(closed(catalog, CONNECTIONS, &first, until, "startsAt")).await?;
        let ours = stand.metered(new.ask(stand, plan, "startsAt")).await?;
        one.pairs.push(Pair::of_rates(raw, ours));
    }
    let kept = closed(stand.gateway(), CONNECTIONS, &first, until, "startsAt").await?;
    one.fact("answers that are kept, per second", kept.rate());
    one.note(format!("raw: the same query, asked of catalog; {NEW}"));
    found.push(one);

    let mut two = Outcome::new("two-fetch query", "queries/s", Some(Goal::Ratio(0.85)));
    let (first, mut new) = (by_id(FIRST), Questions::new(TWO, &shows));
    for _ in 0..plan.pairs {
        let first = stand.metered(closed(catalog, CONNECTIONS, &first, until, "startsAt")).await?;
        let second = stand.metered(closed(booking, CONNECTIONS, &second, until, "version")).await?;
        let ours = stand.metered(new.ask(stand, plan, "version")).await?;
        two.fact("first fetch, direct, per second", first.rate());
        two.fact("second fetch, direct, per second", second.rate());
        two.pairs.push(Pair::of_rates(first.and_then(&second), ours));
    }
    let kept = closed(stand.gateway(), CONNECTIONS, &by_id(TWO), until, "version").await?;
    two.fact("answers that are kept, per second", kept.rate());
    two.note(format!(
        "raw: one over the sum of what both fetches cost when they are asked of catalog and booking directly; {NEW}"
    ));
    found.push(two);
    Ok(())
}

const NEW: &str = "no question is asked twice, so that none finds a kept answer";

/// Questions about shows, each another one.
struct Questions<'s> {
    document: &'static str,
    shows: &'s [Show],
    asked: usize,
}

impl<'s> Questions<'s> {
    fn new(document: &'static str, shows: &'s [Show]) -> Self {
        Self { document, shows, asked: 0 }
    }

    /// The next ones, which differ in a variable that nothing uses, and that they are asked.
    fn ask(
        &mut self,
        stand: &Stand,
        plan: Plan,
        part: &'static str,
    ) -> impl Future<Output = Result<Done>> + use<> {
        let first = self.asked;
        self.asked += plan.of(QUESTIONS, 400);
        let about = self.shows.iter().cycle().zip(first..self.asked);
        let requests: Vec<Bytes> = about
            .map(|(show, number)| graphql(self.document, &json!({ "id": show.id, "number": number }), None))
            .collect();
        let gateway = stand.gateway();
        async move { closed(gateway, CONNECTIONS, &requests, Until::Once, part).await }
    }
}
