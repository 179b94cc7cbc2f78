//! Looking around. Open to everybody.

use chrono::NaiveDate;
use kernel::{CityId, MovieId, ScreenId, ShowId, TheaterId};

use super::{App, Failure};
use crate::{
    domain::{City, Movie, MovieFilter, Screen, Show, ShowtimesKey, Theater, fold},
    store::{
        self,
        movie::{MovieKey, MovieQuery},
        search::{Hit, HitKey},
        theater::{TheaterFilter, TheaterKey, TheaterListed},
    },
};

/// Longer texts are no searches.
const MAX_TEXT: usize = 100;
/// Beyond this, "near" means nothing.
const MAX_RADIUS_KM: f64 = 1_000.0;

/// Methods for one table each are thin: batches for the data loaders.
impl App {
    /// Every city, by name.
    pub(crate) async fn cities(&self) -> Result<Vec<City>, Failure> {
        Ok(store::city::city_list(&self.pg).await?)
    }

    /// Those of the cities that exist.
    pub(crate) async fn cities_by_id(&self, ids: &[CityId]) -> Result<Vec<City>, Failure> {
        Ok(store::city::city_many(&self.pg, ids).await?)
    }

    /// The city with this name in addresses of pages.
    pub(crate) async fn city_by_slug(&self, slug: &str) -> Result<Option<City>, Failure> {
        Ok(store::city::city_by_slug(&self.pg, slug).await?)
    }

    /// Those of the theaters that exist.
    pub(crate) async fn theaters_by_id(&self, ids: &[TheaterId]) -> Result<Vec<Theater>, Failure> {
        Ok(store::theater::theater_many(&self.pg, ids).await?)
    }

    /// A page of theaters.
    pub(crate) async fn theaters(
        &self,
        filter: TheaterFilter,
        after: Option<&TheaterKey>,
        limit: u64,
    ) -> Result<Vec<TheaterListed>, Failure> {
        check_theater_filter(filter)?;
        // A cursor of a list in another order would skip or repeat theaters.
        let by_distance = matches!(after, Some(TheaterKey::Distance(..)));
        if after.is_some() && by_distance != filter.near.is_some() {
            return Err(Failure::BadInput("after is a cursor of another list".to_owned()));
        }
        Ok(store::theater::theater_page(&self.pg, filter, after, limit).await?)
    }

    /// How many theaters there are over all pages.
    pub(crate) async fn theater_count(&self, filter: TheaterFilter) -> Result<i64, Failure> {
        check_theater_filter(filter)?;
        Ok(store::theater::theater_count(&self.pg, filter).await?)
    }

    /// Those of the screens that exist.
    pub(crate) async fn screens_by_id(&self, ids: &[ScreenId]) -> Result<Vec<Screen>, Failure> {
        Ok(store::screen::screen_many(&self.pg, ids).await?)
    }

    /// The screens of theaters.
    pub(crate) async fn screens_of_theaters(&self, ids: &[TheaterId]) -> Result<Vec<Screen>, Failure> {
        Ok(store::screen::screen_of_theaters(&self.pg, ids).await?)
    }

    /// Those of the movies that exist.
    pub(crate) async fn movies_by_id(&self, ids: &[MovieId]) -> Result<Vec<Movie>, Failure> {
        Ok(store::movie::movie_many(&self.pg, ids).await?)
    }

    /// The question that `filter` asks now; releases go by the calendar of its city.
    pub(crate) async fn movie_query(&self, mut filter: MovieFilter) -> Result<MovieQuery, Failure> {
        filter.text = filter.text.as_deref().map(search_text).transpose()?.filter(|text| !text.is_empty());
        let now = self.now();
        let city = match (filter.coming_soon, filter.city_id) {
            (true, Some(id)) => self.cities_by_id(&[id]).await?.pop(),
            _ => None,
        };
        let today = city.map_or_else(|| now.date_naive(), |city| city.date_at(now));
        Ok(MovieQuery { filter, now, today })
    }

    /// A page of movies.
    pub(crate) async fn movies(
        &self,
        query: &MovieQuery,
        after: Option<&MovieKey>,
        limit: u64,
    ) -> Result<Vec<Movie>, Failure> {
        Ok(store::movie::movie_page(&self.pg, query, after, limit).await?)
    }

    /// How many movies there are over all pages.
    pub(crate) async fn movie_count(&self, query: &MovieQuery) -> Result<i64, Failure> {
        Ok(store::movie::movie_count(&self.pg, query).await?)
    }

    /// Those of the shows that exist.
    pub(crate) async fn shows_by_id(&self, ids: &[ShowId]) -> Result<Vec<Show>, Failure> {
        Ok(store::show::show_many(&self.pg, ids).await?)
    }

    /// The shows of several movies that are still to come and otherwise as `key` says.
    pub(crate) async fn shows_of_movies(
        &self,
        movies: &[MovieId],
        key: &ShowtimesKey,
    ) -> Result<Vec<Show>, Failure> {
        Ok(store::show::show_of_movies(&self.pg, movies, key, self.now()).await?)
    }

    /// The shows in several theaters that are still to come on a day there.
    pub(crate) async fn shows_of_theaters(
        &self,
        theaters: &[TheaterId],
        date: NaiveDate,
    ) -> Result<Vec<Show>, Failure> {
        Ok(store::show::show_of_theaters(&self.pg, theaters, date, self.now()).await?)
    }

    /// A page of what fits `text`, folded by [`search_text`], the best first.
    pub(crate) async fn search(
        &self,
        text: &str,
        after: Option<HitKey>,
        limit: u64,
    ) -> Result<Vec<Hit>, Failure> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        Ok(store::search::search_page(&self.pg, text, after, limit).await?)
    }

    /// How much fits `text` over all pages.
    pub(crate) async fn search_count(&self, text: &str) -> Result<i64, Failure> {
        if text.is_empty() {
            return Ok(0);
        }
        Ok(store::search::search_count(&self.pg, text).await?)
    }
}

/// What to search for when somebody typed `text`.
pub(crate) fn search_text(text: &str) -> Result<String, Failure> {
    if text.chars().count() > MAX_TEXT {
        return Err(Failure::BadInput(format!("text must have at most {MAX_TEXT} characters")));
    }
    Ok(fold(text))
}

fn check_theater_filter(filter: TheaterFilter) -> Result<(), Failure> {
    match filter.near {
        Some((_, radius)) if !(radius > 0.0 && radius <= MAX_RADIUS_KM) => {
            Err(Failure::BadInput(format!("near.radiusKm must be more than 0 and at most {MAX_RADIUS_KM}")))
        }
        _ => Ok(()),
    }
}
