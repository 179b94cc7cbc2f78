//! The shows of the days ahead.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc, Weekday};
use events::{Envelope, show::ShowScheduled};
use kernel::{Clock, EventId, IdSource, Money, ShowId};
use platform::outbox;
use sea_orm::{DatabaseConnection, TransactionTrait};

use super::{
    SeedError,
    places::{SeededCity, World, seeded_uuid},
};
use crate::{
    domain::{
        Movie, PriceList, Screen, Show, ShowFormat, ShowStatus, Theater, natural,
        schedule::{Feature, Room, Slot, plan_day, programme, programme_week},
    },
    store::{self, SCHEMA},
};

/// Shows that are inserted, with their events, in one transaction.
const BATCH: usize = 200;

/// A show with all that its event tells.
pub(super) struct Planned<'w> {
    show: Show,
    movie: &'w Movie,
    theater: &'w Theater,
    screen: &'w Screen,
}

/// All shows that begin after `now` and before `until`, the earliest first.
pub(super) fn plan(world: &World, now: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Planned<'_>> {
    let mut planned = Vec::new();
    for seeded in &world.cities {
        let last = seeded.city.date_at(until);
        let dates = seeded.city.date_at(now).iter_days().take_while(|date| *date <= last);
        for date in dates {
            plan_city_day(world, seeded, date, &mut planned);
        }
    }
    planned.retain(|planned| now < planned.show.timing.starts_at && planned.show.timing.starts_at < until);
    planned.sort_by_key(|planned| (planned.show.timing.starts_at, planned.show.id));
    planned
}

fn plan_city_day<'w>(
    world: &'w World,
    seeded: &'w SeededCity,
    date: NaiveDate,
    planned: &mut Vec<Planned<'w>>,
) {
    let features: Vec<_> = world.movies.iter().filter_map(|movie| feature(movie, seeded, date)).collect();
    let features = programme(seeded.city.id, programme_week(date), &features, world.programme);
    let movies: BTreeMap<_, _> = world.movies.iter().map(|movie| (movie.id, movie)).collect();
    for theater in &seeded.theaters {
        let Some(open) = theater.theater.opening_hours.span(date, seeded.city.time_zone) else { continue };
        for screen in &theater.screens {
            let room = Room { screen_id: screen.id, formats: &screen.formats, date, open: open.clone() };
            for slot in plan_day(&room, &features, &seeded.audience) {
                let Some(movie) = movies.get(&slot.movie_id) else { continue };
                let Some(show) = show(slot, seeded, &theater.theater, screen) else { continue };
                planned.push(Planned { show, movie, theater: &theater.theater, screen });
            }
        }
    }
}

/// The movie as something to show in the city on `date`: new ones are shown more often, and so
/// are those in the city's own languages.
fn feature(movie: &Movie, seeded: &SeededCity, date: NaiveDate) -> Option<Feature> {
    let age = (date - movie.release_date).num_days();
    let runtime = TimeDelta::minutes(movie.runtime_minutes?.into());
    let weight = match age {
        ..0 => return None,
        0..60 => 10,
        60..400 => 6,
        400..1_500 => 3,
        _ => 2,
    };
    let original = movie.languages.first()?;
    let own = original != "en" && seeded.audience.languages.contains(original);
    Some(Feature {
        movie_id: movie.id,
        runtime,
        languages: movie.languages.clone(),
        formats: movie.formats.clone(),
        weight: if own { weight * 3 } else { weight },
    })
}

fn show(slot: Slot, seeded: &SeededCity, theater: &Theater, screen: &Screen) -> Option<Show> {
    let local_start = slot.timing.starts_at.with_timezone(&seeded.city.time_zone);
    let base =
        base_price(seeded.base_price, slot.conditions.format, local_start.weekday(), local_start.hour());
    let name = format!("show:{}@{}", screen.id.uuid(), slot.timing.starts_at.timestamp());
    Some(Show {
        id: ShowId::from_uuid(seeded_uuid(&name)),
        revision: 1,
        movie_id: slot.movie_id,
        screen_id: screen.id,
        theater_id: theater.id,
        city_id: seeded.city.id,
        timing: slot.timing,
        time_zone: seeded.city.time_zone,
        stored_status: ShowStatus::Scheduled,
        cancel_reason: None,
        conditions: slot.conditions,
        currency: seeded.city.currency,
        prices: PriceList::new(&screen.layout, base, &BTreeMap::new()).ok()?,
        blocked: Vec::new(),
    })
}

/// What a regular seat costs: more for glasses and large pictures and on weekend evenings, less on
/// weekday afternoons.
fn base_price(ordinary: Money, format: ShowFormat, day: Weekday, hour: u32) -> Money {
    let for_format = match format {
        ShowFormat::TwoD => 100,
        ShowFormat::ThreeD => 120,
        ShowFormat::Imax => 145,
    };
    let weekend = matches!(day, Weekday::Fri | Weekday::Sat | Weekday::Sun);
    let for_time = match (weekend, hour) {
        (false, 6..17) => 80,
        (true, 17..) => 110,
        _ => 100,
    };
    ordinary.percent(for_format).and_then(|price| price.percent(for_time)).map_or(ordinary, natural)
}

/// Inserts those of the shows that are new, each together with its event, and tells how many.
pub(super) async fn insert(
    pg: &DatabaseConnection,
    clock: &dyn Clock,
    ids: &dyn IdSource,
    planned: &[Planned<'_>],
    progress: impl Fn(&str),
) -> Result<u64, SeedError> {
    let mut inserted = 0;
    for (batch, number) in planned.chunks(BATCH).zip(1..) {
        let shows: Vec<_> = batch.iter().map(|planned| planned.show.clone()).collect();
        let transaction = pg.begin().await?;
        let new: HashSet<_> =
            store::show_batch::show_insert_new(&transaction, &shows).await?.into_iter().collect();
        let events = batch
            .iter()
            .filter(|planned| new.contains(&planned.show.id))
            .map(|planned| planned.event(clock, ids))
            .collect::<Result<Vec<_>, _>>()?;
        outbox::append_all(&transaction, SCHEMA, &events).await?;
        transaction.commit().await?;
        inserted += new.len() as u64;
        progress(&format!("{} of {} shows", (number * BATCH).min(planned.len()), planned.len()));
    }
    outbox::wake(SCHEMA);
    Ok(inserted)
}

impl Planned<'_> {
    fn event(&self, clock: &dyn Clock, ids: &dyn IdSource) -> Result<Envelope, SeedError> {
        let snapshot = self.show.snapshot(self.movie, self.theater, self.screen);
        let id = EventId::from_uuid(ids.uuid());
        Envelope::new(id, clock.now(), &ShowScheduled(snapshot)).map_err(SeedError::Event)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;
    use crate::app::seed::{Scale, places::world};

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn week(world: &World, now: DateTime<Utc>) -> Vec<Planned<'_>> {
        plan(world, now, now + TimeDelta::days(7))
    }

    #[test]
    fn a_week_has_enough_shows_whenever_it_begins() {
        let world = world(Scale::Full).unwrap();
        let first = moment("2026-11-20T00:17:00Z");
        let planned = plan(&world, first, first + TimeDelta::days(8));
        for hour in 0..24 {
            let now = first + TimeDelta::hours(hour);
            let week = now..now + TimeDelta::days(7);
            let shows: Vec<_> = planned.iter().filter(|p| week.contains(&p.show.timing.starts_at)).collect();
            assert!((3_000..=4_500).contains(&shows.len()), "{} shows from {now}", shows.len());
            let screens: HashSet<_> = shows.iter().map(|planned| planned.screen.id).collect();
            assert_eq!(screens.len(), 150);
        }
    }

    #[test]
    fn at_any_hour_there_are_shows_soon_today_and_later() {
        for (scale, soon) in [(Scale::Small, 240), (Scale::Full, 75)] {
            let world = world(scale).unwrap();
            // Across the change of clocks in Europe.
            let first = moment("2026-03-25T00:00:00Z");
            let planned = plan(&world, first, first + TimeDelta::days(14));
            for half_hour in 0..7 * 48 {
                let now = first + TimeDelta::minutes(30 * half_hour);
                let between = |from: i64, until: i64| {
                    let span = now + TimeDelta::minutes(from)..now + TimeDelta::minutes(until);
                    planned.iter().any(|planned| span.contains(&planned.show.timing.starts_at))
                };
                assert!(between(30, soon), "soon after {now} ({scale:?})");
                assert!(between(121, 24 * 60 - 1), "within a day of {now} ({scale:?})");
                assert!(between(24 * 60 + 1, 7 * 24 * 60), "within a week of {now} ({scale:?})");
            }
        }
    }

    #[test]
    fn seeding_later_asks_for_the_same_shows_and_the_new_day() {
        let world = world(Scale::Small).unwrap();
        let now = moment("2026-11-20T22:30:00Z");
        let first: BTreeMap<_, _> = week(&world, now).into_iter().map(|p| (p.show.id, p.show)).collect();
        let later = week(&world, now + TimeDelta::days(1));
        let (old, new): (Vec<_>, Vec<_>) = later.iter().partition(|p| first.contains_key(&p.show.id));
        assert!(old.iter().all(|planned| first[&planned.show.id] == planned.show));
        assert!(new.iter().all(|planned| planned.show.timing.starts_at >= now + TimeDelta::days(7)));
        assert!(!new.is_empty() && old.len() > new.len());
    }

    #[test]
    fn shows_of_a_screen_never_overlap_over_weeks() {
        let world = world(Scale::Full).unwrap();
        // Across the change of clocks in Europe and America, and across releases.
        let now = moment("2026-10-20T12:00:00Z");
        let mut screens: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for planned in plan(&world, now, now + TimeDelta::days(28)) {
            screens.entry(planned.screen.id).or_default().push(planned.show.timing);
        }
        for timings in screens.values() {
            for pair in timings.windows(2) {
                assert!(pair[0].free_at <= pair[1].starts_at, "{pair:?}");
            }
        }
    }

    #[test]
    fn prices_are_in_local_money_and_follow_format_and_time() {
        let check = |format, day, hour, expected| {
            let price = base_price(Money::new(1_250, Currency::EUR), format, day, hour);
            assert_eq!(price.minor(), expected, "{format:?} {day} {hour}");
        };
        check(ShowFormat::TwoD, Weekday::Tue, 14, 1_000);
        check(ShowFormat::TwoD, Weekday::Tue, 20, 1_250);
        check(ShowFormat::TwoD, Weekday::Sat, 20, 1_400);
        check(ShowFormat::Imax, Weekday::Sun, 12, 1_800);
        let world = world(Scale::Full).unwrap();
        for planned in week(&world, moment("2026-11-20T12:00:00Z")) {
            if planned.show.currency == Currency::JPY {
                assert!(planned.show.prices.kinds().all(|price| price.minor % 100 == 0));
            }
        }
    }
}
