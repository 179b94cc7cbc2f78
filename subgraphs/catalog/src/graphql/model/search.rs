//! What a search finds.

use async_graphql::Union;

use super::{Movie, Theater};

/// What a search finds.
#[derive(Debug, Clone, Union)]
pub(crate) enum SearchHit {
    /// A movie, by its title or its people.
    Movie(Movie),
    /// A theater, by its name or address.
    Theater(Theater),
}
