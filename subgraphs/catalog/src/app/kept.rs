//! What the catalog keeps of what it has read, so that it need not be read again by each who asks.
//!
//! Only what everybody may see is kept: nothing here depends on who asks. Nothing is decided by
//! it either: whoever changes something reads it anew, in the transaction.
//!
//! Shows change, one at a time; everything else changes only when the catalog is seeded. Lists are
//! kept as their arguments ask for them. Those that shows are part of go with any change of a show.

use std::{collections::HashMap, hash::Hash, sync::Arc, time::Duration};

use chrono::NaiveDate;
use kernel::{CityId, MovieId, ScreenId, ShowId, TheaterId};
use platform::{
    Redis, Shutdown,
    cache::{Cache, Changed, listen, tell},
};
use sea_orm::DatabaseConnection;
use tokio::time::{MissedTickBehavior, interval};

use super::{App, Failure};
use crate::{
    config::CacheConfig,
    domain::{City, Movie, MovieFilter, Screen, Show, ShowtimesKey, Theater},
    store::{
        self, StoreError,
        movie::MovieKey,
        search::{Hit, HitKey},
        theater::{Place, TheaterKey},
    },
};

/// What all catalogs of an installation, and whoever keeps their answers, listen to. Keys are ids
/// of shows.
const TOPIC: &str = "catalog";
/// In its last third a value may be read again before it is too old; so often it is looked for
/// such values within the greatest age.
const LOOKS: u32 = 6;

/// Things by their id; `None` for those that do not exist.
type ById<T> = Cache<<T as Thing>::Id, Option<Arc<T>>, StoreError>;
type Lists<K, T> = Cache<K, Arc<[T]>, StoreError>;
type Counts<K> = Cache<K, i64, StoreError>;

/// What a process of the catalog keeps.
pub struct Kept {
    cities: ById<City>,
    theaters: ById<Theater>,
    screens: ById<Screen>,
    movies: ById<Movie>,
    shows: ById<Show>,
    /// All cities, by name.
    pub(super) city_list: Lists<(), Arc<City>>,
    /// Cities by their names in addresses of pages.
    pub(super) slugs: Cache<String, Option<Arc<City>>, StoreError>,
    /// Screens of theaters.
    pub(super) halls: Lists<TheaterId, ScreenId>,
    /// Shows of theaters by day.
    pub(super) programmes: Lists<(TheaterId, NaiveDate), Arc<Show>>,
    /// Shows of movies.
    pub(super) showtimes: Lists<ShowtimesKey, Arc<Show>>,
    /// Pages of movies. The day is the one after which releases are yet to come.
    pub(super) movie_pages: Lists<(MovieFilter, NaiveDate, Option<MovieKey>, u64), MovieId>,
    pub(super) movie_counts: Counts<(MovieFilter, NaiveDate)>,
    /// Pages of theaters by name.
    pub(super) theater_pages: Lists<(Option<CityId>, Option<TheaterKey>, u64), Place>,
    pub(super) theater_counts: Counts<Option<CityId>>,
    pub(super) search_pages: Lists<(String, Option<HitKey>, u64), Hit>,
    pub(super) search_counts: Counts<String>,
    max_age: Duration,
    redis: Option<Redis>,
}

/// A kind of thing that is kept by its id.
pub(crate) trait Thing: Sized + Send + Sync + 'static {
    /// Its id.
    type Id: Hash + Eq + Copy + Send + Sync + 'static;

    /// The id of this one.
    fn id(&self) -> Self::Id;

    /// Where they are kept.
    fn kept(kept: &Kept) -> &ById<Self>;

    /// Reads those of them that exist.
    fn read(
        pg: DatabaseConnection,
        ids: Vec<Self::Id>,
    ) -> impl Future<Output = Result<Vec<Self>, StoreError>> + Send + 'static;
}

macro_rules! things {
    ($($thing:ty, $id:ty, $kept:ident, $read:path;)*) => {$(
        impl Thing for $thing {
            type Id = $id;

            fn id(&self) -> $id {
                self.id
            }

            fn kept(kept: &Kept) -> &ById<Self> {
                &kept.$kept
            }

            async fn read(pg: DatabaseConnection, ids: Vec<$id>) -> Result<Vec<Self>, StoreError> {
                $read(&pg, &ids).await
            }
        }
    )*};
}

things! {
    City, CityId, cities, store::city::city_many;
    Theater, TheaterId, theaters, store::theater::theater_many;
    Screen, ScreenId, screens, store::screen::screen_many;
    Movie, MovieId, movies, store::movie::movie_many;
    Show, ShowId, shows, store::show::show_many;
}

impl Kept {
    /// For a process that hears of no changes but its own, and tells nobody.
    #[must_use]
    pub fn alone(config: &CacheConfig) -> Self {
        let max_age = config.max_age();
        let (things, screens, lists) =
            (config.max_entries.into(), config.max_screens.into(), config.max_lists.into());
        Self {
            cities: Cache::new("catalog.cities", things, max_age),
            theaters: Cache::new("catalog.theaters", things, max_age),
            screens: Cache::new("catalog.screens", screens, max_age),
            movies: Cache::new("catalog.movies", things, max_age),
            shows: Cache::new("catalog.shows", things, max_age),
            city_list: Cache::new("catalog.cities", 1, max_age),
            slugs: Cache::new("catalog.cities", lists, max_age),
            halls: Cache::new("catalog.halls", lists, max_age),
            programmes: Cache::new("catalog.programmes", lists, max_age),
            showtimes: Cache::new("catalog.showtimes", lists, max_age),
            movie_pages: Cache::new("catalog.pages", lists, max_age),
            movie_counts: Cache::new("catalog.counts", lists, max_age),
            theater_pages: Cache::new("catalog.pages", lists, max_age),
            theater_counts: Cache::new("catalog.counts", lists, max_age),
            search_pages: Cache::new("catalog.searches", lists, max_age),
            search_counts: Cache::new("catalog.counts", lists, max_age),
            max_age,
            redis: None,
        }
    }

    /// For one of the processes that share this Redis.
    #[must_use]
    pub fn shared(config: &CacheConfig, redis: Redis) -> Self {
        Self { redis: Some(redis), ..Self::alone(config) }
    }

    fn forget(&self, changed: &Changed) {
        let shows: Option<Vec<ShowId>> = match changed {
            Changed::All => None,
            Changed::Keys(keys) => keys.iter().map(|key| key.parse().ok()).collect(),
        };
        match shows {
            Some(shows) => self.forget_shows(&shows),
            None => self.forget_all(),
        }
    }

    fn forget_shows(&self, shows: &[ShowId]) {
        self.shows.forget(shows);
        self.programmes.forget_all();
        self.showtimes.forget_all();
        self.movie_pages.forget_all();
        self.movie_counts.forget_all();
    }

    fn forget_all(&self) {
        self.forget_shows(&[]);
        self.shows.forget_all();
        self.cities.forget_all();
        self.theaters.forget_all();
        self.screens.forget_all();
        self.movies.forget_all();
        self.city_list.forget_all();
        self.slugs.forget_all();
        self.halls.forget_all();
        self.theater_pages.forget_all();
        self.theater_counts.forget_all();
        self.search_pages.forget_all();
        self.search_counts.forget_all();
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

impl App {
    /// Hears of what others change, and reads anew what is asked for often, until `shutdown`.
    pub fn follow(&self, shutdown: &Shutdown) {
        let kept = &self.0.kept;
        if kept.max_age.is_zero() {
            return;
        }
        if let Some(redis) = &kept.redis {
            let app = self.clone();
            listen(redis, TOPIC, shutdown, move |changed| app.0.kept.forget(&changed));
        }
        let (app, soft, period) = (self.clone(), shutdown.token(), kept.max_age / LOOKS);
        shutdown.spawn("catalog-cache", async move {
            let mut looks = interval(period);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while soft.run_until_cancelled(looks.tick()).await.is_some() {
                if let Err(error) = app.read_ahead().await {
                    tracing::debug!(%error, "what is asked for often is not read ahead");
                }
            }
        });
    }

    /// What is known of the thing right now: that it does not exist, too.
    pub(crate) fn known<T: Thing>(&self, id: &T::Id) -> Option<Option<Arc<T>>> {
        T::kept(&self.0.kept).kept(id)
    }

    /// Those of the things that exist.
    pub(crate) async fn find<T: Thing>(
        &self,
        ids: impl IntoIterator<Item = T::Id>,
    ) -> Result<HashMap<T::Id, Arc<T>>, Failure> {
        let pg = &self.0.pg;
        let found = T::kept(&self.0.kept).get_many(ids, |ids| read::<T>(pg.clone(), ids)).await?;
        Ok(found.into_iter().filter_map(|(id, thing)| Some((id, thing?))).collect())
    }

    /// A show has been changed, and that is committed: forgets it here, and tells the others.
    pub(super) async fn changed(&self, show: ShowId) {
        self.0.kept.forget_shows(&[show]);
        if let Some(redis) = &self.0.kept.redis {
            tell(redis, TOPIC, &[show.to_string()]).await;
        }
    }

    async fn read_ahead(&self) -> Result<(), StoreError> {
        self.read_things_ahead::<Show>().await?;
        self.read_things_ahead::<Movie>().await?;
        self.read_things_ahead::<Theater>().await?;
        self.read_things_ahead::<Screen>().await?;
        self.read_things_ahead::<City>().await
    }

    async fn read_things_ahead<T: Thing>(&self) -> Result<(), StoreError> {
        let pg = &self.0.pg;
        let things = T::kept(&self.0.kept).refresh(|ids| read::<T>(pg.clone(), ids)).await?;
        if things > 0 {
            tracing::trace!(kind = std::any::type_name::<T>(), things, "read ahead");
        }
        Ok(())
    }
}

/// Tells all catalogs that anything may have changed: after a seed.
pub async fn tell_all(redis: &Redis) {
    tell(redis, TOPIC, &[]).await;
}

async fn read<T: Thing>(
    pg: DatabaseConnection,
    ids: Vec<T::Id>,
) -> Result<HashMap<T::Id, Option<Arc<T>>>, StoreError> {
    let things = T::read(pg, ids).await?;
    Ok(things.into_iter().map(|thing| (thing.id(), Some(Arc::new(thing)))).collect())
}
