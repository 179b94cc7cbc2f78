//! What people look for.

use chrono::NaiveDate;
use kernel::{CityId, MovieId, TheaterId};

use super::ShowFormat;

/// Which movies are wanted. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MovieFilter {
    /// With a show there. With `coming_soon` it only says whose calendar counts.
    pub city_id: Option<CityId>,
    /// With a show in the coming seven days.
    pub now_showing: bool,
    /// Not yet released.
    pub coming_soon: bool,
    /// Of this genre, spelled as movies have it.
    pub genre: Option<String>,
    /// With a show in this language.
    pub language: Option<String>,
    /// With a show in this format.
    pub format: Option<ShowFormat>,
    /// With a show there.
    pub theater_id: Option<TheaterId>,
    /// With a show on this day at the theater.
    pub date: Option<NaiveDate>,
    /// With this in the title, folded.
    pub text: Option<String>,
}

impl MovieFilter {
    /// Whether only movies with a fitting show that is still to come are wanted.
    pub fn asks_for_shows(&self) -> bool {
        self.now_showing
            || self.language.is_some()
            || self.format.is_some()
            || self.theater_id.is_some()
            || self.date.is_some()
            || (self.city_id.is_some() && !self.coming_soon)
    }
}

/// Which shows of a movie are wanted: those on one day in one city, and perhaps fewer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShowtimesKey {
    /// Of what.
    pub movie_id: MovieId,
    /// Where.
    pub city_id: CityId,
    /// On which day there.
    pub date: NaiveDate,
    /// Only there.
    pub theater_id: Option<TheaterId>,
    /// Only in this format.
    pub format: Option<ShowFormat>,
    /// Only in this language.
    pub language: Option<String>,
}
