//! Cities.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use kernel::{CityId, Currency};

use super::Position;

/// A city with theaters. Its theaters share its zone and currency.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// Its id.
    pub id: CityId,
    /// Its name in addresses of pages: `new-york`.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// The zone of its clocks.
    pub time_zone: Tz,
    /// What people pay with.
    pub currency: Currency,
    /// Its centre.
    pub position: Position,
}

impl City {
    /// The calendar day in the city at `moment`.
    pub fn date_at(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.time_zone).date_naive()
    }
}
