//! From data files to cities, theaters, screens and movies, with ids that never change.

use std::collections::BTreeMap;

use kernel::{CityId, Layout, Money, MovieId, ScreenId, TheaterId, seating::screen_uuid};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    Scale, SeedError,
    data::{self, CityData, FromFile, LayoutData, MovieData, TheaterData, wrong},
};
use crate::domain::{
    City, Credit, CrewMember, Movie, OpeningHours, Position, Rating, Screen, ShowFormat, Theater, fold,
    movie::DIRECTOR, schedule::Audience,
};

/// The namespace of seeded ids (RFC 9562, UUID version 5): the same name gives the same id on
/// every machine, so that seeding again finds what is there. Never change it, nor the names.
const NAMESPACE: Uuid = Uuid::from_u128(0x5d0c_9b54_8a3e_4f0b_9c51_2f6b_1d7a_e6c4);

/// Where [`Scale::Small`] has theaters: when one sleeps, another has shows soon.
const SMALL_CITIES: [&str; 3] = ["amsterdam", "los-angeles", "tokyo"];
/// How many theaters each of them has.
const SMALL_THEATERS: usize = 2;

/// How many movies a city shows in a week.
pub(super) const PROGRAMME: usize = 24;

/// All that does not change from day to day.
pub(super) struct World {
    pub cities: Vec<SeededCity>,
    pub movies: Vec<Movie>,
    /// How many of the movies a city shows in a week.
    pub programme: usize,
}

/// A city with its theaters, and how shows there are.
pub(super) struct SeededCity {
    pub city: City,
    pub base_price: Money,
    pub audience: Audience,
    pub theaters: Vec<SeededTheater>,
}

/// A theater with its screens.
pub(super) struct SeededTheater {
    pub theater: Theater,
    pub screens: Vec<Screen>,
}

impl World {
    pub(super) fn theaters(&self) -> impl Iterator<Item = &Theater> {
        self.cities.iter().flat_map(|city| &city.theaters).map(|seeded| &seeded.theater)
    }

    pub(super) fn screens(&self) -> impl Iterator<Item = &Screen> {
        self.cities.iter().flat_map(|city| &city.theaters).flat_map(|theater| &theater.screens)
    }
}

/// The id of what `name` says, within [`NAMESPACE`].
pub(super) fn seeded_uuid(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// Reads the data files.
pub(super) fn world(scale: Scale) -> Result<World, SeedError> {
    let layouts = layouts()?;
    let mut cities = Vec::new();
    for (file, data) in data::cities()? {
        if scale == Scale::Full || SMALL_CITIES.contains(&data.slug.as_str()) {
            cities.push(city(file, data, &layouts, scale)?);
        }
    }
    let movies = data::movies()?.into_iter().map(movie).collect::<Result<_, _>>()?;
    Ok(World { cities, movies, programme: PROGRAMME })
}

fn layouts() -> Result<BTreeMap<String, Layout>, SeedError> {
    let (file, data) = data::layouts()?;
    let layout = |(name, LayoutData { rows }): (String, LayoutData)| {
        let layout = rows.join("/").parse().map_err(|error| wrong(file, error))?;
        Ok((name, layout))
    };
    data.into_iter().map(layout).collect()
}

fn city(
    file: &str,
    data: CityData,
    layouts: &BTreeMap<String, Layout>,
    scale: Scale,
) -> Result<SeededCity, SeedError> {
    let id = CityId::from_uuid(seeded_uuid(&format!("city:{}", data.slug)));
    let currency = data.currency.parse().map_err(|_| wrong(file, "unknown currency"))?;
    let base: Decimal = data.base_price.parse().map_err(|error| wrong(file, error))?;
    let keep = if scale == Scale::Full { data.theaters.len() } else { SMALL_THEATERS };
    let theaters = data.theaters.into_iter().take(keep);
    Ok(SeededCity {
        city: City {
            id,
            time_zone: data.time_zone.parse().map_err(|error| wrong(file, error))?,
            currency,
            position: position(file, data.latitude, data.longitude)?,
            country_code: data.country,
            name: data.name,
            slug: data.slug.clone(),
        },
        base_price: Money::from_amount(base, currency).map_err(|error| wrong(file, error))?,
        audience: Audience { languages: data.languages, dubbed_percent: data.dubbed_percent },
        theaters: theaters
            .map(|theater_data| theater(file, id, &data.slug, theater_data, layouts))
            .collect::<Result<_, _>>()?,
    })
}

fn position(file: &str, lat: f64, lon: f64) -> Result<Position, SeedError> {
    Position::new(lat, lon).ok_or_else(|| wrong(file, format!("{lat}, {lon} is not on the Earth")))
}

fn theater(
    file: &str,
    city_id: CityId,
    city_slug: &str,
    data: TheaterData,
    layouts: &BTreeMap<String, Layout>,
) -> Result<SeededTheater, SeedError> {
    let name = format!("theater:{city_slug}/{}", slug(&data.name));
    let id = TheaterId::from_uuid(seeded_uuid(&name));
    let hours = OpeningHours::parse(data.hours.iter().map(String::as_str));
    let amenity = |code: &String| code.parse().map_err(|error| wrong(file, error));
    let theater = Theater {
        id,
        city_id,
        address: data.address,
        position: position(file, data.latitude, data.longitude)?,
        amenities: data.amenities.iter().map(amenity).collect::<Result<_, _>>()?,
        opening_hours: hours.map_err(|error| wrong(file, error))?,
        name: data.name,
    };
    let screen = |(number, text): (i16, &String)| {
        let mut words = text.split(' ');
        let layout = words.next().and_then(|layout| layouts.get(layout));
        let mut formats = vec![ShowFormat::TwoD];
        for word in words {
            formats.push(word.parse().map_err(|error| wrong(file, error))?);
        }
        Ok(Screen {
            id: ScreenId::from_uuid(screen_uuid(seeded_uuid(&format!("{name}/{number}")))),
            theater_id: id,
            number,
            name: format!("Screen {number}"),
            layout: layout.cloned().ok_or_else(|| wrong(file, format!("`{text}` names no layout")))?,
            formats,
            revision: 1,
        })
    };
    let screens = (1..).zip(&data.screens).map(screen).collect::<Result<_, SeedError>>()?;
    Ok(SeededTheater { theater, screens })
}

fn movie((file, data): FromFile<MovieData>) -> Result<Movie, SeedError> {
    let release_date =
        data.released.parse().map_err(|error| wrong(file, format!("{}: {error}", data.title)))?;
    // Title and year, because titles come again.
    let year = data.released.get(..4).unwrap_or_default();
    let name = format!("movie:{}-{year}", slug(&data.title));
    let format = |code: &String| code.parse().map_err(|error| wrong(file, error));
    let formats = data.formats.unwrap_or_else(|| vec![ShowFormat::TwoD.as_str().to_owned()]);
    let credit = |text: &String| match text.split_once(" as ") {
        Some((name, character)) => Credit { name: name.to_owned(), character: Some(character.to_owned()) },
        None => Credit { name: text.clone(), character: None },
    };
    Ok(Movie {
        id: MovieId::from_uuid(seeded_uuid(&name)),
        description: data.description,
        runtime_minutes: data.runtime,
        genres: data.genres,
        languages: data.languages,
        certificate: data.certificate,
        release_date,
        formats: formats.iter().map(format).collect::<Result<_, _>>()?,
        cast: data.cast.iter().map(credit).collect(),
        crew: data.directors.into_iter().map(|name| CrewMember { name, job: DIRECTOR.to_owned() }).collect(),
        poster_url: None,
        backdrop_url: None,
        trailer_url: None,
        external_ids: data.imdb.into_iter().map(|id| ("imdb".to_owned(), id)).collect(),
        rating: Rating::default(),
        title: data.title,
    })
}

fn slug(name: &str) -> String {
    fold(name).replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_world_is_as_large_as_it_should_be() {
        let world = world(Scale::Full).unwrap();
        assert_eq!(world.cities.len(), 12);
        assert_eq!(world.theaters().count(), 48);
        assert_eq!(world.screens().count(), 150);
        assert!(world.movies.iter().filter(|movie| movie.runtime_minutes.is_some()).count() >= 80);
        let layouts: BTreeSet<_> = world.screens().map(|screen| screen.layout.to_string()).collect();
        assert!(layouts.len() >= 5);
        for layout in layouts {
            let layout: Layout = layout.parse().unwrap();
            assert!((80..=500).contains(&layout.seat_count()), "{} seats", layout.seat_count());
            let widths: BTreeSet<_> = layout.rows().iter().map(|row| row.cells.len()).collect();
            assert_eq!(widths.len(), 1, "rows of one width can be drawn as a grid: {layout}");
        }
    }

    #[test]
    fn everything_has_an_id_of_its_own() {
        let world = world(Scale::Full).unwrap();
        let mut ids: Vec<Uuid> = world.cities.iter().map(|seeded| seeded.city.id.uuid()).collect();
        ids.extend(world.theaters().map(|theater| theater.id.uuid()));
        ids.extend(world.screens().map(|screen| screen.id.uuid()));
        ids.extend(world.movies.iter().map(|movie| movie.id.uuid()));
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn ids_are_for_ever() {
        let world = world(Scale::Full).unwrap();
        let casablanca = world.movies.iter().find(|movie| movie.title == "Casablanca").unwrap();
        assert_eq!(casablanca.id.uuid(), seeded_uuid("movie:casablanca-1942"));
        assert_eq!(seeded_uuid("movie:casablanca-1942").to_string(), "b2f80a41-24b4-5767-a7c0-42f955c181cb");
    }

    #[test]
    fn theaters_stand_in_their_city() {
        for seeded in &world(Scale::Full).unwrap().cities {
            let bounds = seeded.city.position.bounds(30.0);
            for theater in &seeded.theaters {
                let position = theater.theater.position;
                assert!(
                    (bounds.lat.0..=bounds.lat.1).contains(&position.lat)
                        && (bounds.lon.0..=bounds.lon.1).contains(&position.lon),
                    "{} is far from {}",
                    theater.theater.name,
                    seeded.city.name
                );
            }
        }
    }
}
