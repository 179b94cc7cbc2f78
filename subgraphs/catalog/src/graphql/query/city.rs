//! Cities.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use graphql_kit::{ApiError, AssumedSize, Cost};
use kernel::CityId;

use super::{app, named};
use crate::graphql::{loaders::Loaders, model::City};

/// What can be asked about cities.
#[derive(Debug, Default)]
pub struct CityQuery;

#[Object]
impl CityQuery {
    /// Every city with theaters, by name.
    #[graphql(directive = Cost::apply(1), directive = AssumedSize::apply(20), complexity = "1 + 20 * child_complexity", cache_control(max_age = 60))]
    async fn cities(&self, ctx: &Context<'_>) -> Result<Vec<City>, ApiError> {
        let cities = app(ctx).cities().await?;
        Ok(cities.iter().map(|city| City(Arc::clone(city))).collect())
    }

    /// A city, by its id or by its slug.
    #[graphql(cache_control(max_age = 60))]
    async fn city(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        slug: Option<String>,
    ) -> Result<Option<City>, ApiError> {
        match (id, slug) {
            (Some(id), None) => find(ctx, &id).await,
            (None, Some(slug)) => Ok(app(ctx).city_by_slug(&slug).await?.map(City)),
            _ => Err(ApiError::bad_input("name the city by either id or slug")),
        }
    }

    #[graphql(entity)]
    async fn find_city_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<City>, ApiError> {
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<City>, ApiError> {
    let Some(id) = named::<CityId>(id) else { return Ok(None) };
    Ok(Loaders::of(ctx).get(id).await?.map(City))
}
