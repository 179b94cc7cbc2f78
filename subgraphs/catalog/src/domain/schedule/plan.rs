//! One day on one screen.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use kernel::{MovieId, ScreenId};

use super::dice::{Dice, halves};
use crate::domain::{Conditions, ShowFormat, Timing};

/// A movie that can be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Which.
    pub movie_id: MovieId,
    /// How long it is.
    pub runtime: TimeDelta,
    /// BCP 47 tags, the main one first.
    pub languages: Vec<String>,
    /// In which formats it can be had.
    pub formats: Vec<ShowFormat>,
    /// How often it is chosen, compared with others.
    pub weight: u32,
}

/// Who comes to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// What they speak, BCP 47, the main one first.
    pub languages: Vec<String>,
    /// Of the shows of foreign movies, how many in a hundred are dubbed.
    pub dubbed_percent: u8,
}

/// A screen on a day.
#[derive(Debug, Clone)]
pub struct Room<'r> {
    /// Which screen.
    pub screen_id: ScreenId,
    /// What it can show.
    pub formats: &'r [ShowFormat],
    /// The day at the theater.
    pub date: NaiveDate,
    /// When the theater is open.
    pub open: Range<DateTime<Utc>>,
}

/// A show that could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What.
    pub movie_id: MovieId,
    /// When.
    pub timing: Timing,
    /// How.
    pub conditions: Conditions,
}

/// Shows begin at such minutes.
const RASTER_MINUTES: i64 = 5;
/// The first show begins within so many minutes of the opening,
const FIRST_WITHIN_MINUTES: u64 = 120;
/// and each next one within so many after the screen is free: rooms rest, staff does too.
const PAUSE_WITHIN_MINUTES: u64 = 75;

/// Fills the day. No two shows overlap, cleaning included, and all is clean at closing time.
pub fn plan_day(room: &Room<'_>, features: &[Feature], audience: &Audience) -> Vec<Slot> {
    let [high, low] = halves(room.screen_id.uuid());
    let mut dice = Dice::new([high, low, room.date.num_days_from_ce() as u64]);
    let mut slots: Vec<Slot> = Vec::new();
    let mut free_from = on_raster(room.open.start) + pause(&mut dice, FIRST_WITHIN_MINUTES);
    loop {
        let previous = slots.last().map(|slot| slot.movie_id);
        let fits = |feature: &&Feature| {
            Some(feature.movie_id) != previous
                && Timing::new(free_from, feature.runtime).free_at <= room.open.end
        };
        let candidates: Vec<&Feature> = features.iter().filter(fits).collect();
        let Some(feature) = choose(&mut dice, &candidates) else { return slots };
        let timing = Timing::new(free_from, feature.runtime);
        slots.push(Slot {
            movie_id: feature.movie_id,
            timing,
            conditions: conditions(&mut dice, room.formats, feature, audience),
        });
        free_from = on_raster(timing.free_at) + pause(&mut dice, PAUSE_WITHIN_MINUTES);
    }
}

/// The first moment of the raster at or after `moment`.
fn on_raster(moment: DateTime<Utc>) -> DateTime<Utc> {
    let raster = RASTER_MINUTES * 60;
    let late = moment.timestamp().rem_euclid(raster);
    moment + TimeDelta::seconds((raster - late) % raster)
}

fn pause(dice: &mut Dice, within_minutes: u64) -> TimeDelta {
    let steps = within_minutes / RASTER_MINUTES as u64 + 1;
    TimeDelta::minutes(dice.below(steps) as i64 * RASTER_MINUTES)
}

fn choose<'f>(dice: &mut Dice, candidates: &[&'f Feature]) -> Option<&'f Feature> {
    let total: u64 = candidates.iter().map(|feature| u64::from(feature.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut left = dice.below(total);
    for feature in candidates {
        match left.checked_sub(u64::from(feature.weight)) {
            Some(rest) => left = rest,
            None => return Some(feature),
        }
    }
    None
}

fn conditions(dice: &mut Dice, room: &[ShowFormat], feature: &Feature, audience: &Audience) -> Conditions {
    let possible = |format: ShowFormat| room.contains(&format) && feature.formats.contains(&format);
    let format = if possible(ShowFormat::Imax) {
        ShowFormat::Imax
    } else if possible(ShowFormat::ThreeD) && dice.chance(50) {
        ShowFormat::ThreeD
    } else {
        ShowFormat::TwoD
    };
    let original = feature.languages.first().map_or("en", String::as_str);
    let understood = audience.languages.iter().any(|language| language == original);
    let local = audience.languages.first().map_or("en", String::as_str);
    let (language, subtitles) = match (understood, dice.chance(u64::from(audience.dubbed_percent))) {
        (true, _) => (original, vec![]),
        (false, true) => (local, vec![]),
        (false, false) => (original, vec![local.to_owned()]),
    };
    Conditions { format, language: language.to_owned(), subtitles, special: None }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use kernel::seating::screen_uuid;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::OpeningHours;

    fn feature(number: u128, minutes: i64, weight: u32) -> Feature {
        Feature {
            movie_id: MovieId::from_uuid(Uuid::from_u128(number)),
            runtime: TimeDelta::minutes(minutes),
            languages: vec![["en", "ja", "de"][number as usize % 3].to_owned()],
            formats: ShowFormat::ALL[..number as usize % 3 + 1].to_vec(),
            weight,
        }
    }

    fn audience() -> Audience {
        Audience { languages: vec!["de".to_owned()], dubbed_percent: 50 }
    }

    const ZONES: [Tz; 4] =
        [Tz::Europe__Berlin, Tz::America__Los_Angeles, Tz::Asia__Kolkata, Tz::Australia__Sydney];

    #[test]
    fn a_foreign_movie_is_subtitled_or_dubbed_and_a_known_one_is_neither() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..60 {
            let room = Room {
                screen_id: ScreenId::from_uuid(screen_uuid(Uuid::from_u128(number << 16))),
                formats: &[ShowFormat::TwoD],
                date: "2026-11-21".parse().unwrap(),
                open: "2026-11-21T09:00:00Z".parse().unwrap().."2026-11-22T00:00:00Z".parse().unwrap(),
            };
            for slot in plan_day(&room, &[feature(1, 90, 1), feature(2, 90, 1)], &audience()) {
                seen.insert((slot.conditions.language, slot.conditions.subtitles.join(",")));
            }
        }
        let seen: Vec<_> = seen.iter().map(|(language, subs)| (language.as_str(), subs.as_str())).collect();
        assert_eq!(seen, [("de", ""), ("ja", "de")]);
    }

    #[test]
    fn nothing_to_show_is_an_empty_day() {
        let room = Room {
            screen_id: ScreenId::from_uuid(Uuid::nil()),
            formats: &[ShowFormat::TwoD],
            date: "2026-11-21".parse().unwrap(),
            open: "2026-11-21T09:00:00Z".parse().unwrap().."2026-11-22T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(plan_day(&room, &[], &audience()), []);
        assert_eq!(plan_day(&room, &[feature(1, 90, 0)], &audience()), []);
    }

    proptest! {
        #[test]
        fn shows_never_overlap_and_keep_to_the_opening_hours(
            screen: u128,
            day in 0..1_500_u64,
            zone in prop::sample::select(ZONES.to_vec()),
            opens in 6..14_u32,
            hours in 8..16_u32,
            runtimes in prop::collection::vec((60..240_i64, 1..9_u32), 1..20),
        ) {
            let first: NaiveDate = "2026-01-01".parse().unwrap();
            let (date, next) = (first + chrono::Days::new(day), first + chrono::Days::new(day + 1));
            let text = format!("Mon-Sun {opens:02}:00-{:02}:00", (opens + hours) % 24);
            let week = OpeningHours::parse([text.as_str()]).unwrap();
            let features: Vec<_> =
                runtimes.iter().zip(1..).map(|((minutes, weight), n)| feature(n, *minutes, *weight)).collect();
            let screen_id = ScreenId::from_uuid(screen_uuid(Uuid::from_u128(screen)));
            let plan = |date| {
                let open = week.span(date, zone).unwrap();
                let room = Room { screen_id, formats: ShowFormat::ALL, date, open };
                plan_day(&room, &features, &audience())
            };

            let slots = plan(date);
            prop_assert_eq!(&slots, &plan(date), "the same day gives the same plan");
            let open = week.span(date, zone).unwrap();
            for slot in &slots {
                prop_assert!(open.start <= slot.timing.starts_at && slot.timing.free_at <= open.end);
                prop_assert_eq!(slot.timing.starts_at.timestamp() % 300, 0);
                let movie = features.iter().find(|feature| feature.movie_id == slot.movie_id).unwrap();
                prop_assert!(movie.formats.contains(&slot.conditions.format));
                prop_assert_eq!(slot.timing, Timing::new(slot.timing.starts_at, movie.runtime));
            }
            let two_days: Vec<_> = slots.into_iter().chain(plan(next)).collect();
            for pair in two_days.windows(2) {
                prop_assert!(pair[0].timing.free_at <= pair[1].timing.starts_at);
            }
        }
    }
}
