//! Fills the catalog: cities, theaters and movies from the data files in `seed/`, and shows for
//! the week ahead. Running it again adds what is missing and changes nothing else, so it also
//! tops up the week.

mod data;
mod places;
mod report;
mod scaled;
mod shows;

use std::str::FromStr;

use chrono::TimeDelta;
use kernel::{Clock, IdSource};
use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};

pub use report::SeedReport;

use crate::store::{self, StoreError};

/// How much is seeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Everything: 12 cities, 48 theaters, 150 screens, thousands of shows.
    #[default]
    Full,
    /// Three cities around the globe with two theaters each, so that at any hour there are shows
    /// soon: for tests. All movies.
    Small,
    /// So many times ten theaters, which have about seven hundred shows a week, and a hundred movies:
    /// for measuring how costs grow.
    Times(u32),
}

/// The largest [`Scale::Times`].
const MOST_TIMES: u32 = 1_000;

impl FromStr for Scale {
    type Err = UnknownScale;

    fn from_str(text: &str) -> Result<Self, UnknownScale> {
        match text {
            "full" => Ok(Self::Full),
            "small" => Ok(Self::Small),
            _ => match text.parse() {
                Ok(times @ 1..=MOST_TIMES) => Ok(Self::Times(times)),
                _ => Err(UnknownScale),
            },
        }
    }
}

/// The text names no [`Scale`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a scale: use full, small, or a number from 1 to {MOST_TIMES}")]
pub struct UnknownScale;

/// What to seed.
#[derive(Debug, Clone, Copy)]
pub struct SeedOptions {
    /// How much.
    pub scale: Scale,
    /// For how many days from now there are to be shows.
    pub days: u16,
}

impl Default for SeedOptions {
    fn default() -> Self {
        Self { scale: Scale::Full, days: 7 }
    }
}

/// Seeding stopped. What was committed stays; run it again.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A data file is wrong.
    #[error("{file}: {message}")]
    Data {
        /// Which file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// The database refused or is away; has it been migrated?
    #[error("the database refused; was it migrated (`marquee migrate`)?")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An event has no JSON form.
    #[error("an event cannot be written")]
    Event(#[source] serde_json::Error),
}

impl From<StoreError> for SeedError {
    fn from(error: StoreError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<sea_orm::DbErr> for SeedError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Seeds the catalog. `progress` gets a line now and then, for a person who waits.
///
/// Two of these at a time are safe: each adds what the other has not.
///
/// # Errors
/// [`SeedError`].
pub async fn seed(
    pg: &DatabaseConnection,
    clock: &dyn Clock,
    ids: &dyn IdSource,
    options: &SeedOptions,
    progress: impl Fn(&str),
) -> Result<SeedReport, SeedError> {
    let now = clock.now();
    let mut report = SeedReport::default();

    let world = match options.scale {
        Scale::Times(times) => scaled::world(times)?,
        scale => places::world(scale)?,
    };
    let transaction = pg.begin().await?;
    insert_static(&transaction, &world, &mut report).await?;
    transaction.commit().await?;
    progress(&format!(
        "{} cities, {} theaters, {} screens, {} movies are there",
        world.cities.len(),
        world.theaters().count(),
        world.screens().count(),
        world.movies.len()
    ));

    let until = now + TimeDelta::days(options.days.into());
    report.completed = store::show::show_complete(pg, now).await?;
    let planned = shows::plan(&world, now, until);
    report.shows = shows::insert(pg, clock, ids, &planned, &progress).await?;
    report.upcoming = store::show::show_count_between(pg, now, until).await?;
    report.took = (clock.now() - now).to_std().unwrap_or_default();
    Ok(report)
}

async fn insert_static(
    transaction: &DatabaseTransaction,
    world: &places::World,
    report: &mut SeedReport,
) -> Result<(), StoreError> {
    let cities: Vec<_> = world.cities.iter().map(|seeded| seeded.city.clone()).collect();
    let theaters: Vec<_> = world.theaters().cloned().collect();
    let screens: Vec<_> = world.screens().cloned().collect();
    report.cities = store::city::city_insert_new(transaction, &cities).await?;
    report.theaters = store::theater::theater_insert_new(transaction, &theaters).await?;
    report.screens = store::screen::screen_insert_new(transaction, &screens).await?;
    report.movies = store::movie::movie_insert_new(transaction, &world.movies).await?;
    Ok(())
}
