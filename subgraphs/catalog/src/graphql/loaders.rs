//! Batches what the fields of one request ask for, so that a list of shows asks once for all of
//! its movies.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
};
use chrono::NaiveDate;
use graphql_kit::ApiError;
use kernel::{CityId, MovieId, ScreenId, ShowId, TheaterId};

use crate::{
    app::App,
    domain::{City, Movie, Screen, Show, ShowtimesKey, Theater},
};

/// The loaders of one request; what it has loaded, it does not load again.
pub(crate) struct Loaders(DataLoader<Batches, HashMapCache>);

/// Loads many at a time.
pub(crate) struct Batches(App);

/// Names the screens of a theater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ScreensOf(pub TheaterId);

/// Names the shows of a theater on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ShowsOf(pub TheaterId, pub NaiveDate);

/// A row refers to another that is not there, though a foreign key says that it is.
#[derive(Debug, thiserror::Error)]
#[error("a {0} that is referred to does not exist")]
struct Dangling(&'static str);

impl Loaders {
    /// New loaders, for a new request.
    pub(crate) fn new(app: App) -> Self {
        // The usual delay of 1 ms stays: answers of one batch wake their fields one by one, on
        // another thread, so that what those fields ask for next comes in drops.
        Self(DataLoader::with_cache(Batches(app), tokio::spawn, HashMapCache::default()))
    }

    /// The loaders of the request at hand.
    pub(crate) fn of<'c>(ctx: &Context<'c>) -> &'c Self {
        ctx.data_unchecked()
    }

    /// What `key` names, if there is such a thing.
    pub(crate) async fn get<K>(&self, key: K) -> Result<Option<<Batches as Loader<K>>::Value>, ApiError>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batches: Loader<K, Error = ApiError>,
    {
        self.0.load_one(key).await
    }

    /// What a foreign key says is there.
    pub(crate) async fn require<K>(
        &self,
        what: &'static str,
        key: K,
    ) -> Result<<Batches as Loader<K>>::Value, ApiError>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batches: Loader<K, Error = ApiError>,
    {
        self.get(key).await?.ok_or_else(|| ApiError::internal(&Dangling(what)))
    }

    /// What `keys` name, as far as there are such things.
    pub(crate) async fn get_many<K>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<K, <Batches as Loader<K>>::Value>, ApiError>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batches: Loader<K, Error = ApiError>,
    {
        self.0.load_many(keys).await
    }
}

/// By id: one query for all ids of a batch.
macro_rules! by_id {
    ($($key:ty => $value:ty, $load:ident;)*) => {$(
        impl Loader<$key> for Batches {
            type Value = Arc<$value>;
            type Error = ApiError;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Self::Value>, ApiError> {
                let found = self.0.$load(keys).await?;
                Ok(found.into_iter().map(|value| (value.id, Arc::new(value))).collect())
            }
        }
    )*};
}

by_id! {
    CityId => City, cities_by_id;
    TheaterId => Theater, theaters_by_id;
    ScreenId => Screen, screens_by_id;
    MovieId => Movie, movies_by_id;
    ShowId => Show, shows_by_id;
}

impl Loader<ScreensOf> for Batches {
    type Value = Vec<Arc<Screen>>;
    type Error = ApiError;

    async fn load(&self, keys: &[ScreensOf]) -> Result<HashMap<ScreensOf, Self::Value>, ApiError> {
        let theaters: Vec<_> = keys.iter().map(|key| key.0).collect();
        let screens = self.0.screens_of_theaters(&theaters).await?;
        Ok(grouped(screens, |screen| ScreensOf(screen.theater_id)))
    }
}

impl Loader<ShowsOf> for Batches {
    type Value = Vec<Arc<Show>>;
    type Error = ApiError;

    async fn load(&self, keys: &[ShowsOf]) -> Result<HashMap<ShowsOf, Self::Value>, ApiError> {
        let dates: HashSet<_> = keys.iter().map(|key| key.1).collect();
        let mut found = HashMap::new();
        for date in dates {
            let theaters: Vec<_> = keys.iter().filter(|key| key.1 == date).map(|key| key.0).collect();
            let shows = self.0.shows_of_theaters(&theaters, date).await?;
            found.extend(grouped(shows, |show| ShowsOf(show.theater_id, date)));
        }
        Ok(found)
    }
}

impl Loader<ShowtimesKey> for Batches {
    type Value = Vec<Arc<Show>>;
    type Error = ApiError;

    async fn load(&self, keys: &[ShowtimesKey]) -> Result<HashMap<ShowtimesKey, Self::Value>, ApiError> {
        // A list asks the same of each of its movies: one query for all of them.
        let mut questions: HashMap<ShowtimesKey, Vec<MovieId>> = HashMap::new();
        for key in keys {
            let question = ShowtimesKey { movie_id: keys[0].movie_id, ..key.clone() };
            questions.entry(question).or_default().push(key.movie_id);
        }
        let mut found = HashMap::new();
        for (question, movies) in questions {
            let shows = self.0.shows_of_movies(&movies, &question).await?;
            found.extend(grouped(shows, |show| ShowtimesKey { movie_id: show.movie_id, ..question.clone() }));
        }
        Ok(found)
    }
}

/// Values by key, in their order.
fn grouped<K: Eq + Hash, V>(values: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<Arc<V>>> {
    let mut groups: HashMap<K, Vec<Arc<V>>> = HashMap::new();
    for value in values {
        groups.entry(key(&value)).or_default().push(Arc::new(value));
    }
    groups
}
