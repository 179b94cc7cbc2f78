//! Theaters.

use kernel::{CityId, TheaterId};

use super::{OpeningHours, Position, code::coded};

coded! {
    /// What a theater has to offer.
    Amenity("amenity") {
        /// A screen by IMAX.
        Imax = "IMAX",
        /// Sound or picture by Dolby.
        Dolby = "DOLBY",
        /// Seats that recline.
        Recliners = "RECLINERS",
        /// A car park.
        Parking = "PARKING",
        /// Drinks.
        Bar = "BAR",
        /// Meals.
        Restaurant = "RESTAURANT",
        /// No steps from the street to the seat.
        StepFree = "STEP_FREE",
        /// A loop for hearing aids.
        HearingLoop = "HEARING_LOOP",
    }
}

/// A building with screens.
#[derive(Debug, Clone, PartialEq)]
pub struct Theater {
    /// Its id.
    pub id: TheaterId,
    /// Where it is.
    pub city_id: CityId,
    /// What it is called.
    pub name: String,
    /// Street, number and city.
    pub address: String,
    /// Where its door is.
    pub position: Position,
    /// What it offers.
    pub amenities: Vec<Amenity>,
    /// When it is open.
    pub opening_hours: OpeningHours,
}
