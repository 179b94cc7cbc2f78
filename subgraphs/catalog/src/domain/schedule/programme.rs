//! What a city shows in a week.

use chrono::{Datelike, NaiveDate};
use kernel::CityId;

use super::{
    Feature,
    dice::{Dice, halves},
};

/// The number of the cinema week that `date` is in: they begin on Thursdays.
pub fn programme_week(date: NaiveDate) -> i32 {
    // Day 1 of the common era was a Monday, so day 4 was a Thursday.
    (date.num_days_from_ce() - 4).div_euclid(7)
}

/// Chooses `size` of the `features` for a city and week. Heavier ones are likelier to be chosen,
/// by the method of Efraimidis and Spirakis (Weighted random sampling with a reservoir, 2006):
/// each draws `u^(1/weight)`, and the highest win.
pub fn programme(city: CityId, week: i32, features: &[Feature], size: usize) -> Vec<Feature> {
    let [city_high, city_low] = halves(city.uuid());
    let mut drawn: Vec<(f64, &Feature)> = features
        .iter()
        .filter(|feature| feature.weight > 0)
        .map(|feature| {
            let [high, low] = halves(feature.movie_id.uuid());
            let unit = Dice::new([city_high, city_low, week as u64, high, low]).unit();
            (unit.ln() / f64::from(feature.weight), feature)
        })
        .collect();
    drawn.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.movie_id.cmp(&b.1.movie_id)));
    drawn.into_iter().take(size).map(|(_, feature)| feature.clone()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use kernel::MovieId;
    use uuid::Uuid;

    use super::*;

    fn features() -> Vec<Feature> {
        let feature = |number: u32| Feature {
            movie_id: MovieId::from_uuid(Uuid::from_u128(number.into())),
            runtime: TimeDelta::minutes(100),
            languages: vec![],
            formats: vec![],
            weight: if number <= 10 { 8 } else { 1 },
        };
        (1..=100).map(feature).collect()
    }

    fn ids(city: u128, week: i32) -> Vec<u128> {
        let city = CityId::from_uuid(Uuid::from_u128(city));
        programme(city, week, &features(), 24).iter().map(|f| f.movie_id.uuid().as_u128()).collect()
    }

    #[test]
    fn weeks_begin_on_thursdays() {
        let week = |date: &str| programme_week(date.parse().unwrap());
        assert_eq!(week("2026-11-19"), week("2026-11-25"));
        assert_eq!(week("2026-11-18") + 1, week("2026-11-19"));
        assert_eq!(week("2026-11-26"), week("2026-11-19") + 1);
    }

    #[test]
    fn a_week_is_the_same_each_time_and_differs_from_other_weeks_and_cities() {
        assert_eq!(ids(1, 7), ids(1, 7));
        assert_ne!(ids(1, 7), ids(1, 8));
        assert_ne!(ids(1, 7), ids(2, 7));
    }

    #[test]
    fn heavy_features_are_chosen_more_often() {
        let chosen: Vec<u128> = (0..100).flat_map(|week| ids(1, week)).collect();
        assert_eq!(chosen.len(), 2_400);
        let heavy = chosen.iter().filter(|id| **id <= 10).count();
        // Ten of a hundred, with eight times the weight: nearly always all ten.
        assert!((700..=1_000).contains(&heavy), "{heavy}");
    }
}
