//! Closed sets of values.

use async_graphql::Enum;

/// How the picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::ShowFormat")]
pub(crate) enum ShowFormat {
    /// Flat: 2D.
    TwoD,
    /// With glasses: 3D.
    ThreeD,
    /// Large, by IMAX.
    Imax,
}

/// What became of a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::ShowStatus")]
pub(crate) enum ShowStatus {
    /// It will take place, or takes place now.
    Scheduled,
    /// It does not take place.
    Cancelled,
    /// It is over.
    Completed,
}

/// What makes a show special.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::SpecialKind")]
pub(crate) enum SpecialKind {
    /// The first show.
    Premiere,
    /// One of a series without a pause.
    Marathon,
}

/// What a theater has to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::domain::Amenity")]
pub(crate) enum Amenity {
    /// A screen by IMAX.
    Imax,
    /// Sound or picture by Dolby.
    Dolby,
    /// Seats that recline.
    Recliners,
    /// A car park.
    Parking,
    /// Drinks.
    Bar,
    /// Meals.
    Restaurant,
    /// No steps from the street to the seat.
    StepFree,
    /// A loop for hearing aids.
    HearingLoop,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Monday,
            chrono::Weekday::Tue => Self::Tuesday,
            chrono::Weekday::Wed => Self::Wednesday,
            chrono::Weekday::Thu => Self::Thursday,
            chrono::Weekday::Fri => Self::Friday,
            chrono::Weekday::Sat => Self::Saturday,
            chrono::Weekday::Sun => Self::Sunday,
        }
    }
}
