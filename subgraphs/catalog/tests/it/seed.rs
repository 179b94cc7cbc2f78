//! Seeding.

use std::collections::BTreeSet;

use catalog::Scale;
use chrono::TimeDelta;
use events::show::ShowScheduled;
use serde_json::json;

use crate::support::{Catalog, NOW};

#[tokio::test]
async fn the_whole_world_is_seeded_once_and_its_week_kept_full() {
    let catalog = Catalog::empty("world").await;
    let report = catalog.seed(Scale::Full).await;
    assert_eq!((report.cities, report.theaters, report.screens), (12, 48, 150));
    assert!(report.movies >= 80, "{report}");
    assert!((3_000..=4_500).contains(&report.shows), "{report}");
    assert_eq!(report.upcoming, report.shows as i64);

    let again = catalog.seed(Scale::Full).await;
    assert_eq!((again.cities, again.theaters, again.screens, again.movies, again.shows), (0, 0, 0, 0, 0));
    assert_eq!(again.upcoming, report.upcoming);

    catalog.clock.advance(TimeDelta::days(1));
    let next_day = catalog.seed(Scale::Full).await;
    assert!(next_day.shows > 300 && next_day.completed > 300, "{next_day:?}");
    assert!((3_000..=4_500).contains(&next_day.upcoming), "{next_day}");

    let overlaps = "SELECT count(*) FROM catalog.shows a JOIN catalog.shows b
        ON a.screen_id = b.screen_id AND a.id < b.id AND a.starts_at < b.free_at AND b.starts_at < a.free_at";
    assert_eq!(catalog.number(overlaps).await, 0);
    let continents = "SELECT count(DISTINCT split_part(time_zone, '/', 1)) FROM catalog.cities";
    assert!(catalog.number(continents).await >= 3);
}

#[tokio::test]
async fn every_new_show_is_told_of_once() {
    let catalog = Catalog::small("told").await;
    catalog.seed(Scale::Small).await;
    let events: Vec<ShowScheduled> = catalog.events().await;
    let shows: BTreeSet<_> = events.iter().map(|event| event.0.show_id).collect();
    assert_eq!(shows.len(), events.len());
    assert_eq!(events.len() as i64, catalog.number("SELECT count(*) FROM catalog.shows").await);
    for ShowScheduled(show) in events {
        assert_eq!(show.revision, 1);
        let kinds: BTreeSet<_> = show.layout.seats().iter().map(|seat| seat.kind).collect();
        let priced: BTreeSet<_> = show.prices.iter().map(|price| price.kind).collect();
        assert_eq!(kinds, priced, "every kind of seat has a price");
        assert!(show.starts_at > NOW.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    }
}

#[tokio::test]
async fn two_seeders_at_a_time_add_each_show_once() {
    let catalog = Catalog::empty("two_seeders").await;
    let (one, two) = tokio::join!(catalog.seed(Scale::Small), catalog.seed(Scale::Small));
    let shows = catalog.number("SELECT count(*) FROM catalog.shows").await;
    assert_eq!((one.shows + two.shows) as i64, shows);
    assert_eq!(catalog.number("SELECT count(*) FROM catalog.outbox").await, shows);
}

#[tokio::test]
async fn time_completes_a_show_without_anybody_writing_it() {
    let catalog = Catalog::small("completes").await;
    let events: Vec<ShowScheduled> = catalog.events().await;
    let show = &events[0].0;
    let ask = |status: &'static str| {
        let variables = json!({ "id": show.show_id });
        let catalog = &catalog;
        async move {
            let data = catalog.ask("query($id: ID!) { show(id: $id) { status } }", variables).await;
            assert_eq!(data["show"]["status"], status);
        }
    };
    ask("SCHEDULED").await;
    catalog.clock.set(show.ends_at);
    ask("COMPLETED").await;
    assert!(catalog.seed(Scale::Small).await.completed >= 1);
    ask("COMPLETED").await;
}

#[tokio::test]
async fn a_catalog_grows_with_its_scale() {
    let catalog = Catalog::empty("scaled").await;
    let one = catalog.seed("1".parse().unwrap()).await;
    assert_eq!((one.theaters, one.movies), (10, 100));
    assert!((500..=1_000).contains(&one.shows), "{one}");
    let again = catalog.seed("1".parse().unwrap()).await;
    assert_eq!((again.theaters, again.movies, again.shows), (0, 0, 0));
    let two = catalog.seed("2".parse().unwrap()).await;
    assert_eq!((two.theaters, two.movies), (10, 100), "the first ten are there");
    assert!("0".parse::<Scale>().is_err() && "much".parse::<Scale>().is_err());
}
