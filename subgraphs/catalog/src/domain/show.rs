//! Shows: a movie on a screen at a time.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use events::show::ShowSnapshot;
use kernel::{CityId, Currency, Money, MovieId, ScreenId, ShowId, TheaterId};

use super::{Movie, PriceList, Screen, Theater, code::coded};

coded! {
    /// How the picture is shown.
    ShowFormat("format") {
        /// Flat.
        TwoD = "2D",
        /// With glasses.
        ThreeD = "3D",
        /// Large, by IMAX.
        Imax = "IMAX",
    }
}

coded! {
    /// What became of a show.
    ShowStatus("show status") {
        /// It will take place, or takes place now.
        Scheduled = "SCHEDULED",
        /// It does not take place.
        Cancelled = "CANCELLED",
        /// It is over.
        Completed = "COMPLETED",
    }
}

coded! {
    /// What makes a show special.
    SpecialKind("special kind") {
        /// The first show.
        Premiere = "PREMIERE",
        /// One of a series without a pause.
        Marathon = "MARATHON",
    }
}

/// A language by its BCP 47 tag, of language and optional script or region: `en`, `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(String);

/// The text is no language tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no language tag; use BCP 47 such as en or pt-BR")]
pub struct LanguageError(String);

impl Language {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, LanguageError> {
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        let known_form = (2..=3).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_lowercase())
            && text.len() <= 35
            && parts
                .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
        if known_form { Ok(Self(text.to_owned())) } else { Err(LanguageError(text.to_owned())) }
    }
}

/// When a show has the screen for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When the lights go on.
    pub ends_at: DateTime<Utc>,
    /// When the screen is clean and free again.
    pub free_at: DateTime<Utc>,
}

impl Timing {
    /// Trailers before the picture.
    pub const PREROLL: TimeDelta = TimeDelta::minutes(15);
    /// Time for cleaning after it.
    pub const CLEANING: TimeDelta = TimeDelta::minutes(20);

    /// The timing of a picture of `runtime` that begins at `starts_at`.
    pub fn new(starts_at: DateTime<Utc>, runtime: TimeDelta) -> Self {
        let ends_at = starts_at + Self::PREROLL + runtime;
        Self { starts_at, ends_at, free_at: ends_at + Self::CLEANING }
    }
}

/// How a show is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// Flat, with glasses, or large.
    pub format: ShowFormat,
    /// What is spoken: a BCP 47 tag.
    pub language: String,
    /// What can be read: BCP 47 tags.
    pub subtitles: Vec<String>,
    /// What makes it special.
    pub special: Option<SpecialKind>,
}

/// A show.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// Grows with each change that others are told of.
    pub revision: i64,
    /// What is shown.
    pub movie_id: MovieId,
    /// On which screen.
    pub screen_id: ScreenId,
    /// In which building.
    pub theater_id: TheaterId,
    /// In which city.
    pub city_id: CityId,
    /// When.
    pub timing: Timing,
    /// The zone at the theater.
    pub time_zone: Tz,
    /// As it was last written; [`Show::status_at`] tells what it is.
    pub stored_status: ShowStatus,
    /// Why it was cancelled, in words for the audience.
    pub cancel_reason: Option<String>,
    /// How it is shown.
    pub conditions: Conditions,
    /// The currency of its prices.
    pub currency: Currency,
    /// What each kind of seat costs.
    pub prices: PriceList,
    /// Indices of the seats that are not on sale, ascending.
    pub blocked: Vec<u16>,
}

impl Show {
    /// What has become of it by `now`. Time completes a show; nothing needs to be written.
    pub fn status_at(&self, now: DateTime<Utc>) -> ShowStatus {
        match self.stored_status {
            ShowStatus::Scheduled if self.timing.ends_at <= now => ShowStatus::Completed,
            status => status,
        }
    }

    /// When it begins, by the clocks at the theater.
    pub fn local_starts_at(&self) -> DateTime<FixedOffset> {
        self.timing.starts_at.with_timezone(&self.time_zone).fixed_offset()
    }

    /// The day on which it begins, by the calendar at the theater.
    pub fn local_date(&self) -> NaiveDate {
        self.local_starts_at().date_naive()
    }

    /// What the cheapest seat costs.
    pub fn price_from(&self) -> Money {
        Money::new(self.prices.lowest(), self.currency)
    }

    /// All that other services need to know of it. `movie`, `theater` and `screen` must be its
    /// own.
    pub fn snapshot(&self, movie: &Movie, theater: &Theater, screen: &Screen) -> ShowSnapshot {
        ShowSnapshot {
            show_id: self.id,
            revision: self.revision,
            movie_id: movie.id,
            title: movie.title.clone(),
            theater_id: theater.id,
            theater_name: theater.name.clone(),
            screen_id: screen.id,
            screen_name: screen.name.clone(),
            starts_at: self.timing.starts_at,
            ends_at: self.timing.ends_at,
            time_zone: self.time_zone.name().to_owned(),
            currency: self.currency,
            layout: screen.layout.clone(),
            blocked: self.blocked.clone(),
            prices: self.prices.kinds().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_takes_its_trailers_its_runtime_and_a_broom() {
        let timing = Timing::new("2026-11-20T19:00:00Z".parse().unwrap(), TimeDelta::minutes(100));
        assert_eq!(timing.ends_at.to_rfc3339(), "2026-11-20T20:55:00+00:00");
        assert_eq!(timing.free_at.to_rfc3339(), "2026-11-20T21:15:00+00:00");
    }

    #[test]
    fn language_tags_are_told_from_names() {
        for tag in ["en", "yue", "pt-BR", "zh-Hant-HK"] {
            assert_eq!(tag.parse::<Language>().unwrap().as_str(), tag);
        }
        for text in ["", "English", "EN", "e", "en-", "en_GB", "en-gb!"] {
            assert!(text.parse::<Language>().is_err(), "{text}");
        }
    }
}
