//! Looking around. Open to everybody.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{MovieId, ScreenId, TheaterId};
use sea_orm::DatabaseConnection;

use super::{App, Failure};
use crate::{
    domain::{City, Movie, MovieFilter, Screen, Show, ShowtimesKey, Theater, fold},
    store::{
        self, StoreError,
        movie::{MovieKey, MovieQuery},
        search::{Hit, HitKey},
        theater::{Place, TheaterFilter, TheaterKey, TheaterListed},
    },
};

/// Longer texts are no searches.
const MAX_TEXT: usize = 100;
/// Beyond this, "near" means nothing.
const MAX_RADIUS_KM: f64 = 1_000.0;

impl App {
    /// Every city, by name.
    pub(crate) async fn cities(&self) -> Result<Arc<[Arc<City>]>, Failure> {
        let pg = &self.0.pg;
        let read = || {
            let pg = pg.clone();
            async move { Ok(shared(store::city::city_list(&pg).await?)) }
        };
        Ok(self.0.kept.city_list.get((), read).await?)
    }

    /// The city with this name in addresses of pages.
    pub(crate) async fn city_by_slug(&self, slug: &str) -> Result<Option<Arc<City>>, Failure> {
        let read = || {
            let (pg, slug) = (self.0.pg.clone(), slug.to_owned());
            async move { Ok(store::city::city_by_slug(&pg, &slug).await?.map(Arc::new)) }
        };
        Ok(self.0.kept.slugs.get(slug.to_owned(), read).await?)
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
        let read = || {
            let (pg, after) = (self.0.pg.clone(), after.cloned());
            async move { store::theater::theater_page(&pg, filter, after.as_ref(), limit).await.map(Arc::from) }
        };
        let page = match filter.near {
            // Everybody stands somewhere else.
            Some(_) => read().await?,
            None => {
                let key = (filter.city_id, after.cloned(), limit);
                self.0.kept.theater_pages.get(key, read).await?
            }
        };
        let theaters = self.find::<Theater>(page.iter().map(|place| place.theater)).await?;
        let listed = |place: &Place| {
            let theater = Arc::clone(theaters.get(&place.theater)?);
            Some(TheaterListed { theater, distance: place.distance })
        };
        Ok(page.iter().filter_map(listed).collect())
    }

    /// How many theaters there are over all pages.
    pub(crate) async fn theater_count(&self, filter: TheaterFilter) -> Result<i64, Failure> {
        check_theater_filter(filter)?;
        let read = || {
            let pg = self.0.pg.clone();
            async move { store::theater::theater_count(&pg, filter).await }
        };
        Ok(match filter.near {
            Some(_) => read().await?,
            None => self.0.kept.theater_counts.get(filter.city_id, read).await?,
        })
    }

    /// The screens of theaters, each theater's in their order.
    pub(crate) async fn screens_of_theaters(
        &self,
        theaters: &[TheaterId],
    ) -> Result<HashMap<TheaterId, Vec<Arc<Screen>>>, Failure> {
        let read = |theaters: Vec<TheaterId>| {
            let pg = self.0.pg.clone();
            async move {
                let pairs = store::screen::screen_of_theaters(&pg, &theaters).await?;
                Ok(groups(pairs, |(theater, _)| *theater, |(_, screen)| screen))
            }
        };
        let halls = self.0.kept.halls.get_many(theaters.iter().copied(), read).await?;
        let screens = self.find::<Screen>(halls.values().flat_map(|hall| hall.iter().copied())).await?;
        let hall = |ids: Arc<[ScreenId]>| ids.iter().filter_map(|id| screens.get(id).cloned()).collect();
        Ok(halls.into_iter().map(|(theater, ids)| (theater, hall(ids))).collect())
    }

    /// What [`App::screens_of_theaters`] can say without asking anybody.
    pub(crate) fn known_screens(&self, theater: TheaterId) -> Option<Vec<Arc<Screen>>> {
        let hall = self.0.kept.halls.kept(&theater)?;
        hall.iter().map(|screen| self.known::<Screen>(screen)?).collect()
    }

    /// The question that `filter` asks now; releases go by the calendar of its city.
    pub(crate) async fn movie_query(&self, mut filter: MovieFilter) -> Result<MovieQuery, Failure> {
        filter.text = filter.text.as_deref().map(search_text).transpose()?.filter(|text| !text.is_empty());
        let now = self.now();
        let city = match (filter.coming_soon, filter.city_id) {
            (true, Some(id)) => self.find::<City>([id]).await?.remove(&id),
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
    ) -> Result<Vec<Arc<Movie>>, Failure> {
        let read = || {
            let (pg, query, after) = (self.0.pg.clone(), query.clone(), after.cloned());
            async move { store::movie::movie_page(&pg, &query, after.as_ref(), limit).await.map(Arc::from) }
        };
        let key = (query.filter.clone(), query.today, after.cloned(), limit);
        let page = self.0.kept.movie_pages.get(key, read).await?;
        let movies = self.find::<Movie>(page.iter().copied()).await?;
        Ok(page.iter().filter_map(|id| movies.get(id).cloned()).collect())
    }

    /// How many movies there are over all pages.
    pub(crate) async fn movie_count(&self, query: &MovieQuery) -> Result<i64, Failure> {
        let read = || {
            let (pg, query) = (self.0.pg.clone(), query.clone());
            async move { store::movie::movie_count(&pg, &query).await }
        };
        Ok(self.0.kept.movie_counts.get((query.filter.clone(), query.today), read).await?)
    }

    /// The shows that each key names, as far as they are still to come, the earliest first. Nothing
    /// for a key says that there are none.
    pub(crate) async fn showtimes(
        &self,
        keys: &[ShowtimesKey],
    ) -> Result<HashMap<ShowtimesKey, Vec<Arc<Show>>>, Failure> {
        let now = self.now();
        let read = |keys: Vec<ShowtimesKey>| {
            let pg = self.0.pg.clone();
            async move { read_showtimes(&pg, keys, now).await }
        };
        let found = self.0.kept.showtimes.get_many(keys.iter().cloned(), read).await?;
        Ok(found.into_iter().map(|(key, shows)| (key, to_come(&shows, now))).collect())
    }

    /// What [`App::showtimes`] can say without asking anybody.
    pub(crate) fn known_showtimes(&self, key: &ShowtimesKey) -> Option<Vec<Arc<Show>>> {
        Some(to_come(&self.0.kept.showtimes.kept(key)?, self.now()))
    }

    /// The shows in theaters on a day there that are still to come, the earliest first. Nothing for
    /// a key says that there are none.
    pub(crate) async fn programmes(
        &self,
        keys: &[(TheaterId, NaiveDate)],
    ) -> Result<HashMap<(TheaterId, NaiveDate), Vec<Arc<Show>>>, Failure> {
        let now = self.now();
        let read = |keys: Vec<(TheaterId, NaiveDate)>| {
            let pg = self.0.pg.clone();
            async move { read_programmes(&pg, keys, now).await }
        };
        let found = self.0.kept.programmes.get_many(keys.iter().copied(), read).await?;
        Ok(found.into_iter().map(|(key, shows)| (key, to_come(&shows, now))).collect())
    }

    /// What [`App::programmes`] can say without asking anybody.
    pub(crate) fn known_programme(&self, theater: TheaterId, date: NaiveDate) -> Option<Vec<Arc<Show>>> {
        Some(to_come(&self.0.kept.programmes.kept(&(theater, date))?, self.now()))
    }

    /// A page of what fits `text`, folded by [`search_text`], the best first.
    pub(crate) async fn search(
        &self,
        text: &str,
        after: Option<HitKey>,
        limit: u64,
    ) -> Result<Arc<[Hit]>, Failure> {
        if text.is_empty() {
            return Ok(Arc::default());
        }
        let read = || {
            let (pg, text) = (self.0.pg.clone(), text.to_owned());
            async move { store::search::search_page(&pg, &text, after, limit).await.map(Arc::from) }
        };
        Ok(self.0.kept.search_pages.get((text.to_owned(), after, limit), read).await?)
    }

    /// How much fits `text` over all pages.
    pub(crate) async fn search_count(&self, text: &str) -> Result<i64, Failure> {
        if text.is_empty() {
            return Ok(0);
        }
        let read = || {
            let (pg, text) = (self.0.pg.clone(), text.to_owned());
            async move { store::search::search_count(&pg, &text).await }
        };
        Ok(self.0.kept.search_counts.get(text.to_owned(), read).await?)
    }
}

async fn read_showtimes(
    pg: &DatabaseConnection,
    keys: Vec<ShowtimesKey>,
    now: DateTime<Utc>,
) -> Result<HashMap<ShowtimesKey, Arc<[Arc<Show>]>>, StoreError> {
    // A list asks the same of each of its movies: one query for all of them.
    let mut questions: HashMap<ShowtimesKey, Vec<MovieId>> = HashMap::new();
    let Some(any) = keys.first().map(|key| key.movie_id) else { return Ok(HashMap::new()) };
    for key in keys {
        let movie = key.movie_id;
        questions.entry(ShowtimesKey { movie_id: any, ..key }).or_default().push(movie);
    }
    let mut found = HashMap::new();
    for (question, movies) in questions {
        let shows = store::show::show_of_movies(pg, &movies, &question, now).await?;
        let key = |show: &Show| ShowtimesKey { movie_id: show.movie_id, ..question.clone() };
        found.extend(groups(shows, key, Arc::new));
    }
    Ok(found)
}

async fn read_programmes(
    pg: &DatabaseConnection,
    keys: Vec<(TheaterId, NaiveDate)>,
    now: DateTime<Utc>,
) -> Result<HashMap<(TheaterId, NaiveDate), Arc<[Arc<Show>]>>, StoreError> {
    let mut dates: HashMap<NaiveDate, Vec<TheaterId>> = HashMap::new();
    for (theater, date) in keys {
        dates.entry(date).or_default().push(theater);
    }
    let mut found = HashMap::new();
    for (date, theaters) in dates {
        let shows = store::show::show_of_theaters(pg, &theaters, date, now).await?;
        found.extend(groups(shows, |show| (show.theater_id, date), Arc::new));
    }
    Ok(found)
}

/// Those that have not begun since they were read.
fn to_come(shows: &[Arc<Show>], now: DateTime<Utc>) -> Vec<Arc<Show>> {
    shows.iter().filter(|show| show.timing.starts_at > now).cloned().collect()
}

fn shared<T>(things: Vec<T>) -> Arc<[Arc<T>]> {
    things.into_iter().map(Arc::new).collect()
}

/// Lists by key, in their order.
fn groups<K: Eq + Hash, T, V>(
    things: Vec<T>,
    key: impl Fn(&T) -> K,
    value: impl Fn(T) -> V,
) -> HashMap<K, Arc<[V]>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for thing in things {
        groups.entry(key(&thing)).or_default().push(value(thing));
    }
    groups.into_iter().map(|(key, group)| (key, group.into())).collect()
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
