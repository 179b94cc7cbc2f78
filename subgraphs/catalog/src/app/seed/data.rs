//! The data files, as they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::SeedError;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../seed/", $name)))),*]
    };
}

const LAYOUTS: [(&str, &str); 1] = files!["layouts.toml"];

const CITIES: [(&str, &str); 12] = files![
    "cities/amsterdam.toml",
    "cities/berlin.toml",
    "cities/cape-town.toml",
    "cities/london.toml",
    "cities/los-angeles.toml",
    "cities/mexico-city.toml",
    "cities/mumbai.toml",
    "cities/new-york.toml",
    "cities/sao-paulo.toml",
    "cities/singapore.toml",
    "cities/sydney.toml",
    "cities/tokyo.toml",
];

const MOVIES: [(&str, &str); 7] = files![
    "movies/before-1980.toml",
    "movies/1980s.toml",
    "movies/1990s.toml",
    "movies/2000s.toml",
    "movies/2010s.toml",
    "movies/2020s.toml",
    "movies/upcoming.toml",
];

/// How the seats of a screen can stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutData {
    /// `LABEL:CELLS` each, the one at the screen first.
    pub rows: Vec<String>,
}

/// A city and its theaters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CityData {
    pub name: String,
    pub slug: String,
    pub country: String,
    pub time_zone: String,
    pub latitude: f64,
    pub longitude: f64,
    pub currency: String,
    /// Of an ordinary seat for an ordinary show, in major units.
    pub base_price: String,
    pub languages: Vec<String>,
    pub dubbed_percent: u8,
    #[serde(rename = "theater")]
    pub theaters: Vec<TheaterData>,
}

/// A theater and its screens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TheaterData {
    pub name: String,
    pub address: String,
    pub latitude: f64,
    pub longitude: f64,
    pub amenities: Vec<String>,
    /// `Mon-Thu 12:00-00:30`.
    pub hours: Vec<String>,
    /// A layout's name, and the formats besides 2D: `flagship IMAX`.
    pub screens: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoviesData {
    #[serde(rename = "movie")]
    movies: Vec<MovieData>,
}

/// A movie.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MovieData {
    pub title: String,
    pub released: String,
    /// Minutes; unknown for announced movies.
    pub runtime: Option<i16>,
    pub genres: Vec<String>,
    pub languages: Vec<String>,
    pub certificate: String,
    pub directors: Vec<String>,
    /// `Name as Character`, or a name alone.
    pub cast: Vec<String>,
    /// Without it, 2D only.
    pub formats: Option<Vec<String>>,
    pub imdb: Option<String>,
    pub description: String,
}

/// A value of a data file, and which file that is.
pub(super) type FromFile<T> = (&'static str, T);

/// The layouts, by name.
pub(super) fn layouts() -> Result<FromFile<BTreeMap<String, LayoutData>>, SeedError> {
    let [(file, text)] = LAYOUTS;
    Ok((file, read(file, text)?))
}

/// The cities.
pub(super) fn cities() -> Result<Vec<FromFile<CityData>>, SeedError> {
    CITIES.into_iter().map(|(file, text)| Ok((file, read(file, text)?))).collect()
}

/// The movies.
pub(super) fn movies() -> Result<Vec<FromFile<MovieData>>, SeedError> {
    let mut movies = Vec::new();
    for (file, text) in MOVIES {
        let data: MoviesData = read(file, text)?;
        movies.extend(data.movies.into_iter().map(|movie| (file, movie)));
    }
    Ok(movies)
}

fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, SeedError> {
    toml::from_str(text).map_err(|error| wrong(file, error))
}

/// Something in `file` is wrong.
pub(super) fn wrong(file: &str, message: impl std::fmt::Display) -> SeedError {
    SeedError::Data { file: file.to_owned(), message: message.to_string() }
}
