//! Theaters.

use std::sync::Arc;

use async_graphql::{
    Context, ID, Object, SimpleObject,
    connection::{self, OpaqueCursor},
};
use graphql_kit::{ApiError, AssumedSize, Cost, Date, paging::TotalCount};

use super::{Amenity, City, Position, Screen, Show, Weekday};
use crate::{
    domain,
    graphql::loaders::{Loaders, ScreensOf, ShowsOf},
    store::theater::TheaterKey,
};

/// A building with screens.
#[derive(Debug, Clone)]
pub(crate) struct Theater(pub Arc<domain::Theater>);

/// A page of theaters.
pub(crate) type TheaterConnection =
    connection::Connection<OpaqueCursor<TheaterKey>, Theater, TotalCount, TheaterEdgeFields>;

/// What a theater is in a list.
#[derive(Debug, SimpleObject)]
pub(crate) struct TheaterEdgeFields {
    /// How far it is from the point that was asked for, as the crow flies.
    pub distance_km: Option<f64>,
}

/// When a theater is open on a day of the week.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct DayHours {
    /// Which day.
    pub day: Weekday,
    /// When the doors open, local time: `10:30`. Null when it stays closed.
    pub opens: Option<String>,
    /// When the last guest leaves; at or before `opens`, it is on the next day.
    pub closes: Option<String>,
}

/// A building with screens.
#[Object(cache_control(max_age = 60))]
impl Theater {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Street, number and city.
    async fn address(&self) -> &str {
        &self.0.address
    }

    /// Where its door is.
    async fn position(&self) -> Position {
        self.0.position.into()
    }

    /// What it offers.
    async fn amenities(&self) -> Vec<Amenity> {
        self.0.amenities.iter().copied().map(Into::into).collect()
    }

    /// When it is open, Monday first.
    #[graphql(directive = AssumedSize::apply(7))]
    async fn opening_hours(&self) -> Vec<DayHours> {
        let clock = |time: chrono::NaiveTime| time.format("%H:%M").to_string();
        let day = |(day, hours): (chrono::Weekday, Option<domain::DayHours>)| DayHours {
            day: day.into(),
            opens: hours.map(|hours| clock(hours.opens)),
            closes: hours.map(|hours| clock(hours.closes)),
        };
        self.0.opening_hours.week().map(day).collect()
    }

    /// Where it is.
    async fn city(&self, ctx: &Context<'_>) -> Result<City, ApiError> {
        Ok(City(Loaders::of(ctx).require("city", self.0.city_id).await?))
    }

    /// Its screens, in their order.
    #[graphql(directive = Cost::apply(1), directive = AssumedSize::apply(8), complexity = "1 + 8 * child_complexity")]
    async fn screens(&self, ctx: &Context<'_>) -> Result<Vec<Screen>, ApiError> {
        let screens = Loaders::of(ctx).get(ScreensOf(self.0.id)).await?.unwrap_or_default();
        Ok(screens.into_iter().map(Screen).collect())
    }

    /// Its shows on a day that are still to come, the earliest first.
    #[graphql(directive = Cost::apply(2), directive = AssumedSize::apply(40), complexity = "2 + 40 * child_complexity", cache_control(max_age = 30))]
    async fn shows(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The day, by the calendar there.")] date: Date,
    ) -> Result<Vec<Show>, ApiError> {
        let shows = Loaders::of(ctx).get(ShowsOf(self.0.id, date.0)).await?.unwrap_or_default();
        Ok(shows.into_iter().map(Show).collect())
    }
}
