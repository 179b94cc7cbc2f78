//! Movies.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kernel::MovieId;
use serde::{Deserialize, Serialize};

use super::ShowFormat;

/// Somebody who can be seen or heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Who.
    pub name: String,
    /// As whom; unknown for some announced movies.
    pub character: Option<String>,
}

/// Somebody who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrewMember {
    /// Who.
    pub name: String,
    /// What they did: `Director`.
    pub job: String,
}

/// What other catalogs call it: the id by the catalog's name (`imdb`).
pub type ExternalIds = BTreeMap<String, String>;

/// What the audience thinks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rating {
    /// From 1 to 5; `None` while nobody has said anything.
    pub average: Option<f64>,
    /// How many said something.
    pub count: i32,
}

/// A movie.
#[derive(Debug, Clone, PartialEq)]
pub struct Movie {
    /// Its id.
    pub id: MovieId,
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// How long it is; `None` until it is announced, and then it cannot be scheduled.
    pub runtime_minutes: Option<i16>,
    /// Such as `Science Fiction`.
    pub genres: Vec<String>,
    /// BCP 47 tags, the main one first.
    pub languages: Vec<String>,
    /// Who may see it, by the Motion Picture Association; `NR`: not rated.
    pub certificate: String,
    /// The first public run.
    pub release_date: NaiveDate,
    /// The formats in which it can be had.
    pub formats: Vec<ShowFormat>,
    /// Who plays, in order of billing.
    pub cast: Vec<Credit>,
    /// Who made it.
    pub crew: Vec<CrewMember>,
    /// A portrait picture.
    pub poster_url: Option<String>,
    /// A wide picture.
    pub backdrop_url: Option<String>,
    /// A video.
    pub trailer_url: Option<String>,
    /// What other catalogs call it.
    pub external_ids: ExternalIds,
    /// What the audience thinks.
    pub rating: Rating,
}

/// The [`CrewMember::job`] of who directs.
pub(crate) const DIRECTOR: &str = "Director";

impl Movie {
    /// Who directed it.
    pub fn directors(&self) -> impl Iterator<Item = &str> {
        self.crew.iter().filter(|member| member.job == DIRECTOR).map(|member| member.name.as_str())
    }
}
