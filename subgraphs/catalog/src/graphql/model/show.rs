//! Shows.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, FixedOffset, Utc};
use graphql_kit::{ApiError, AssumedSize, MoneyObject, SeatKind};
use kernel::Money;

use super::{City, Movie, Screen, ShowFormat, ShowStatus, SpecialKind, Theater};
use crate::{app::App, domain, graphql::loaders::Loaders};

/// A movie on a screen at a time.
#[derive(Debug, Clone)]
pub(crate) struct Show(pub Arc<domain::Show>);

/// What a kind of seat costs.
#[derive(Debug, Clone, Copy, SimpleObject)]
#[graphql(cache_control(max_age = 30))]
pub(crate) struct ShowPrice {
    /// The kind of seat.
    pub kind: SeatKind,
    /// What it costs.
    pub price: MoneyObject,
}

/// A movie on a screen at a time.
#[Object(cache_control(max_age = 30))]
impl Show {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// When it begins, in UTC.
    async fn starts_at(&self) -> DateTime<Utc> {
        self.0.timing.starts_at
    }

    /// When it begins, by the clocks at the theater, with their offset from UTC.
    async fn local_starts_at(&self) -> DateTime<FixedOffset> {
        self.0.local_starts_at()
    }

    /// The IANA name of the zone at the theater.
    async fn time_zone(&self) -> &str {
        self.0.time_zone.name()
    }

    /// When it ends, trailers included.
    async fn ends_at(&self) -> DateTime<Utc> {
        self.0.timing.ends_at
    }

    /// How the picture is shown.
    async fn format(&self) -> ShowFormat {
        self.0.conditions.format.into()
    }

    /// What is spoken: a BCP 47 tag.
    async fn language(&self) -> &str {
        &self.0.conditions.language
    }

    /// What can be read: BCP 47 tags.
    async fn subtitles(&self) -> &[String] {
        &self.0.conditions.subtitles
    }

    /// What makes it special.
    async fn special(&self) -> Option<SpecialKind> {
        self.0.conditions.special.map(Into::into)
    }

    /// What has become of it.
    async fn status(&self, ctx: &Context<'_>) -> ShowStatus {
        self.0.status_at(ctx.data_unchecked::<App>().now()).into()
    }

    /// Why it was cancelled.
    async fn cancel_reason(&self) -> Option<&str> {
        self.0.cancel_reason.as_deref()
    }

    /// What the cheapest seat costs.
    async fn price_from(&self) -> MoneyObject {
        self.0.price_from().into()
    }

    /// What each kind of seat on the screen costs.
    #[graphql(directive = AssumedSize::apply(6), complexity = "6 * child_complexity")]
    async fn prices(&self) -> Vec<ShowPrice> {
        let price = |price: events::show::KindPrice| ShowPrice {
            kind: price.kind.into(),
            price: Money::new(price.minor, self.0.currency).into(),
        };
        self.0.prices.kinds().map(price).collect()
    }

    /// What is shown.
    async fn movie(&self, ctx: &Context<'_>) -> Result<Movie, ApiError> {
        Ok(Movie(Loaders::of(ctx).require("movie", self.0.movie_id).await?))
    }

    /// On which screen.
    async fn screen(&self, ctx: &Context<'_>) -> Result<Screen, ApiError> {
        Ok(Screen(Loaders::of(ctx).require("screen", self.0.screen_id).await?))
    }

    /// In which building.
    async fn theater(&self, ctx: &Context<'_>) -> Result<Theater, ApiError> {
        Ok(Theater(Loaders::of(ctx).require("theater", self.0.theater_id).await?))
    }

    /// In which city.
    async fn city(&self, ctx: &Context<'_>) -> Result<City, ApiError> {
        Ok(City(Loaders::of(ctx).require("city", self.0.city_id).await?))
    }
}
