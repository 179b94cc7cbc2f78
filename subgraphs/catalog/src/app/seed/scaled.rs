//! A catalog of any size, for measuring how costs grow: theaters and movies are those of the data
//! files again and again, under other names, in the same cities.

use kernel::{MovieId, ScreenId, TheaterId, seating::screen_uuid};

use super::{
    Scale, SeedError,
    places::{self, PROGRAMME, SeededCity, SeededTheater, World, seeded_uuid},
};
use crate::domain::Movie;

/// Of a catalog of one time.
const THEATERS: usize = 10;
/// Of a catalog of one time.
const MOVIES: usize = 100;
/// Most movies that a city shows in a week, however large the catalog.
const MOST_SHOWN: usize = 240;

/// `times` ten theaters, which makes about seven hundred shows a week, and a hundred movies. A larger
/// one has all theaters and movies of a smaller one.
pub(super) fn world(times: u32) -> Result<World, SeedError> {
    let World { cities, movies, .. } = places::world(Scale::Full)?;
    let times = times as usize;
    let shown: Vec<Movie> = movies.into_iter().filter(|movie| movie.runtime_minutes.is_some()).collect();
    let count = cities.len();
    let city = |(at, city): (usize, SeededCity)| {
        let numbers = (0..THEATERS * times).skip(at).step_by(count);
        let theaters = numbers.zip(city.theaters.iter().cycle());
        let theaters = theaters.map(|(number, model)| theater(number, model)).collect();
        SeededCity { theaters, ..city }
    };
    Ok(World {
        cities: cities.into_iter().enumerate().map(city).collect(),
        movies: (0..MOVIES * times)
            .zip(shown.iter().cycle())
            .map(|(number, model)| movie(number, model))
            .collect(),
        programme: (PROGRAMME * times).clamp(PROGRAMME, MOST_SHOWN),
    })
}

fn theater(number: usize, model: &SeededTheater) -> SeededTheater {
    let name = format!("scaled-theater:{number}");
    let mut theater = model.theater.clone();
    theater.id = TheaterId::from_uuid(seeded_uuid(&name));
    theater.name = format!("{} {number}", theater.name);
    // Two and three in turn, which make seventy shows a week.
    let screens = model.screens.iter().take(2 + number % 2).cloned().map(|mut screen| {
        screen.id = ScreenId::from_uuid(screen_uuid(seeded_uuid(&format!("{name}/{}", screen.number))));
        screen.theater_id = theater.id;
        screen
    });
    let screens = screens.collect();
    SeededTheater { theater, screens }
}

fn movie(number: usize, model: &Movie) -> Movie {
    Movie {
        id: MovieId::from_uuid(seeded_uuid(&format!("scaled-movie:{number}"))),
        title: format!("{} {number}", model.title),
        ..model.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_times_are_ten_times_as_much() {
        let (one, ten) = (world(1).unwrap(), world(10).unwrap());
        assert_eq!((one.theaters().count(), one.movies.len()), (10, 100));
        assert_eq!((ten.theaters().count(), ten.movies.len()), (100, 1_000));
        let ids = |world: &World| world.screens().map(|screen| screen.id).collect::<BTreeSet<_>>();
        assert!(ids(&one).is_subset(&ids(&ten)));
        assert_eq!(ids(&ten).len(), ten.screens().count());
    }
}
