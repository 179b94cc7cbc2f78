//! Cities.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use graphql_kit::CurrencyCode;

use crate::domain;

/// A city with theaters.
#[derive(Debug, Clone)]
pub(crate) struct City(pub Arc<domain::City>);

/// A point on the Earth, in degrees (WGS 84).
#[derive(Debug, Clone, Copy, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct Position {
    /// North of the equator.
    pub lat: f64,
    /// East of Greenwich.
    pub lon: f64,
}

impl From<domain::Position> for Position {
    fn from(position: domain::Position) -> Self {
        Self { lat: position.lat, lon: position.lon }
    }
}

/// A city with theaters.
#[Object(cache_control(max_age = 60))]
impl City {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Its name in addresses of pages: `new-york`.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// ISO 3166-1 alpha-2: `NL`.
    async fn country_code(&self) -> &str {
        &self.0.country_code
    }

    /// The IANA name of its zone: `Europe/Amsterdam`.
    async fn time_zone(&self) -> &str {
        self.0.time_zone.name()
    }

    /// What people pay with.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency)
    }

    /// Its centre.
    async fn position(&self) -> Position {
        self.0.position.into()
    }
}
