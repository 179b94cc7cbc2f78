//! `NowShowing` and `MovieShows`, beside the same answers prepared in a bare server.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use client::operation;
use serde_json::json;

use super::{CONNECTIONS, Plan};
use crate::{
    load::{Connection, Until, closed, get, graphql, open, put},
    measure::{Goal, Outcome, Pair, Recorder, median},
    stand::{Show, Stand},
};

/// Different queries of each kind.
const QUERIES: usize = 100;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let ours = queries(stand.shows.all())?;
    let raw = prepare(stand, &ours).await?;
    let mut outcome = Outcome::new("browse", "pages/s", Some(Goal::Ratio(0.3)));
    for _ in 0..plan.pairs {
        let until = Until::Over(plan.time());
        let raw = stand.metered(closed(stand.raw(), CONNECTIONS, &raw, until, "\"data\"")).await?;
        let ours = stand.metered(closed(stand.gateway(), CONNECTIONS, &ours, until, "\"data\"")).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
    }
    let rate = 0.5 * median(&outcome.pairs.iter().map(|pair| pair.our_figure).collect::<Vec<_>>());
    let time = plan.of(Duration::from_secs(5), Duration::from_secs(1));
    let recorder = Recorder::new()?;
    let load = open(stand.gateway(), 4 * CONNECTIONS, &ours, (rate, time), &recorder, |_, _| Ok(()));
    let mut sample = stand.metered(load).await?;
    sample.latency = recorder.latency();
    outcome.alone.push(sample);
    outcome.note(format!(
        "{} different pages in turn, one half of each kind, as clients ask for them",
        ours.len()
    ));
    found.push(outcome);
    Ok(())
}

/// Pages of cities, and of movies in them on a day.
pub fn queries(shows: &[Show]) -> Result<Vec<Bytes>> {
    let now_showing = operation("NowShowing")?;
    let step = (shows.len() / QUERIES).max(1);
    let mut requests = Vec::new();
    for show in shows.iter().step_by(step).take(QUERIES) {
        let city = json!({ "cityId": show.city, "first": 20 });
        requests.push(graphql(now_showing, &city, None));
        requests.push(movie_shows(show)?);
    }
    Ok(requests)
}

/// The page of a show's movie, in its city on its day.
pub fn movie_shows(show: &Show) -> Result<Bytes> {
    let day = json!({ "movieId": show.movie, "cityId": show.city, "date": show.date });
    Ok(graphql(operation("MovieShows")?, &day, None))
}

/// Puts today's answers where the bare server finds them; requests for them.
async fn prepare(stand: &Stand, queries: &[Bytes]) -> Result<Vec<Bytes>> {
    let mut ours = Connection::open(stand.gateway()).await?;
    let mut raw = Connection::open(stand.raw()).await?;
    let mut requests = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        let path = format!("/prepared/{number}");
        let answer = ours.call(query).await?;
        anyhow::ensure!(answer.has("\"data\"") && !answer.has("\"errors\""), "no page: {}", answer.text());
        raw.call(&put(&path, answer.body)).await?;
        requests.push(get(&path));
    }
    Ok(requests)
}
