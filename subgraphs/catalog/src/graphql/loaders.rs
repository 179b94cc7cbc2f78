//! Finds what the fields of one request ask for: what is known at once, the rest together, so
//! that a list of shows asks once for all of its movies.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use async_graphql::{Context, dataloader::Loader};
use chrono::NaiveDate;
use graphql_kit::{ApiError, Batched};
use kernel::{CityId, MovieId, ScreenId, ShowId, TheaterId};

use crate::{
    app::{App, Failure},
    domain::{City, Movie, Screen, Show, ShowtimesKey, Theater},
};

/// The loaders of one request.
pub(crate) struct Loaders {
    app: App,
    cities: Batched<Batches, CityId>,
    theaters: Batched<Batches, TheaterId>,
    screens: Batched<Batches, ScreenId>,
    movies: Batched<Batches, MovieId>,
    shows: Batched<Batches, ShowId>,
    screens_of: Batched<Batches, ScreensOf>,
    shows_of: Batched<Batches, ShowsOf>,
    showtimes: Batched<Batches, ShowtimesKey>,
}

/// Loads many at a time.
#[derive(Clone)]
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

/// Names something that can be found.
pub(crate) trait Key: Hash + Eq + Clone + Send + Sync + 'static {
    /// What it names.
    type Value: Clone + Send + Sync + 'static;

    /// What is known of it without asking anybody: that it does not exist, too.
    fn known(&self, app: &App) -> Option<Option<Self::Value>>;

    /// What `keys` name, as far as there are such things.
    fn load(
        app: &App,
        keys: &[Self],
    ) -> impl Future<Output = Result<HashMap<Self, Self::Value>, Failure>> + Send;

    /// Where they are gathered.
    fn batched(loaders: &Loaders) -> &Batched<Batches, Self>;
}

impl<K: Key> Loader<K> for Batches {
    type Value = K::Value;
    type Error = ApiError;

    async fn load(&self, keys: &[K]) -> Result<HashMap<K, K::Value>, ApiError> {
        Ok(K::load(&self.0, keys).await?)
    }
}

impl Loaders {
    /// New loaders, for a new request.
    pub(crate) fn new(app: App) -> Self {
        let batches = Batches(app.clone());
        Self {
            app,
            cities: Batched::new(batches.clone()),
            theaters: Batched::new(batches.clone()),
            screens: Batched::new(batches.clone()),
            movies: Batched::new(batches.clone()),
            shows: Batched::new(batches.clone()),
            screens_of: Batched::new(batches.clone()),
            shows_of: Batched::new(batches.clone()),
            showtimes: Batched::new(batches),
        }
    }

    /// The loaders of the request at hand.
    pub(crate) fn of<'c>(ctx: &Context<'c>) -> &'c Self {
        ctx.data_unchecked()
    }

    /// What `key` names, if there is such a thing.
    pub(crate) async fn get<K: Key>(&self, key: K) -> Result<Option<K::Value>, ApiError> {
        match key.known(&self.app) {
            Some(known) => Ok(known),
            None => K::batched(self).load_one(key).await,
        }
    }

    /// What a foreign key says is there.
    pub(crate) async fn require<K: Key>(&self, what: &'static str, key: K) -> Result<K::Value, ApiError> {
        self.get(key).await?.ok_or_else(|| ApiError::internal(&Dangling(what)))
    }

    /// What `keys` name, as far as there are such things.
    pub(crate) async fn get_many<K: Key>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<K, K::Value>, ApiError> {
        let (mut found, mut unknown) = (HashMap::new(), Vec::new());
        for key in keys {
            match key.known(&self.app) {
                Some(known) => found.extend(known.map(|value| (key, value))),
                None => unknown.push(key),
            }
        }
        if !unknown.is_empty() {
            found.extend(K::batched(self).load_many(unknown).await?);
        }
        Ok(found)
    }
}

/// Things by id.
macro_rules! by_id {
    ($($id:ty => $thing:ty, $batched:ident;)*) => {$(
        impl Key for $id {
            type Value = Arc<$thing>;

            fn known(&self, app: &App) -> Option<Option<Arc<$thing>>> {
                app.known::<$thing>(self)
            }

            async fn load(app: &App, ids: &[Self]) -> Result<HashMap<Self, Arc<$thing>>, Failure> {
                app.find::<$thing>(ids.iter().copied()).await
            }

            fn batched(loaders: &Loaders) -> &Batched<Batches, Self> {
                &loaders.$batched
            }
        }
    )*};
}

by_id! {
    CityId => City, cities;
    TheaterId => Theater, theaters;
    ScreenId => Screen, screens;
    MovieId => Movie, movies;
    ShowId => Show, shows;
}

impl Key for ScreensOf {
    type Value = Vec<Arc<Screen>>;

    fn known(&self, app: &App) -> Option<Option<Self::Value>> {
        Some(Some(app.known_screens(self.0)?))
    }

    async fn load(app: &App, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Failure> {
        let theaters: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = app.screens_of_theaters(&theaters).await?;
        Ok(found.into_iter().map(|(theater, screens)| (Self(theater), screens)).collect())
    }

    fn batched(loaders: &Loaders) -> &Batched<Batches, Self> {
        &loaders.screens_of
    }
}

impl Key for ShowsOf {
    type Value = Vec<Arc<Show>>;

    fn known(&self, app: &App) -> Option<Option<Self::Value>> {
        Some(Some(app.known_programme(self.0, self.1)?))
    }

    async fn load(app: &App, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Failure> {
        let keys: Vec<_> = keys.iter().map(|key| (key.0, key.1)).collect();
        let found = app.programmes(&keys).await?;
        Ok(found.into_iter().map(|((theater, date), shows)| (Self(theater, date), shows)).collect())
    }

    fn batched(loaders: &Loaders) -> &Batched<Batches, Self> {
        &loaders.shows_of
    }
}

impl Key for ShowtimesKey {
    type Value = Vec<Arc<Show>>;

    fn known(&self, app: &App) -> Option<Option<Self::Value>> {
        Some(Some(app.known_showtimes(self)?))
    }

    async fn load(app: &App, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Failure> {
        app.showtimes(keys).await
    }

    fn batched(loaders: &Loaders) -> &Batched<Batches, Self> {
        &loaders.showtimes
    }
}
