//! What seeding did.

use std::{fmt, time::Duration};

/// How much was added, and what is there now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// New cities.
    pub cities: u64,
    /// New theaters.
    pub theaters: u64,
    /// New screens.
    pub screens: u64,
    /// New movies.
    pub movies: u64,
    /// New shows.
    pub shows: u64,
    /// Shows that were marked as over.
    pub completed: u64,
    /// Shows that begin in the time ahead, old and new.
    pub upcoming: i64,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for SeedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "added {} cities, {} theaters, {} screens, {} movies, {} shows; {} shows ahead; took {:.1} s",
            self.cities,
            self.theaters,
            self.screens,
            self.movies,
            self.shows,
            self.upcoming,
            self.took.as_secs_f64()
        )
    }
}
