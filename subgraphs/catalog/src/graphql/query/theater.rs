//! Theaters, and which are near.

use async_graphql::{
    Context, ID, InputObject, Object,
    connection::{Edge, OpaqueCursor},
};
use graphql_kit::{
    ApiError, Cost, PageArgs, Paged,
    paging::{TotalCount, complexity},
};
use kernel::TheaterId;

use super::{app, named};
use crate::{
    domain::Position,
    graphql::{
        loaders::Loaders,
        model::{Theater, TheaterConnection, TheaterEdgeFields, id},
    },
    store::theater::{TheaterFilter, TheaterListed},
};

/// Around a point on the Earth.
#[derive(Debug, Clone, Copy, InputObject)]
pub(crate) struct NearInput {
    /// Degrees north of the equator.
    lat: f64,
    /// Degrees east of Greenwich.
    lon: f64,
    /// How far away at most.
    #[graphql(default = 10.0)]
    radius_km: f64,
}

/// What can be asked about theaters.
#[derive(Debug, Default)]
pub struct TheaterQuery;

#[Object]
impl TheaterQuery {
    /// Theaters by name, or, when `near` is given, the nearest first.
    #[graphql(directive = Cost::apply(5), directive = Paged::apply(), complexity = "complexity(first, child_complexity)", cache_control(max_age = 60))]
    async fn theaters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only there.")] city_id: Option<ID>,
        #[graphql(desc = "Only around this point.")] near: Option<NearInput>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
    ) -> Result<TheaterConnection, ApiError> {
        let filter = TheaterFilter {
            city_id: city_id.as_ref().map(|city| id("cityId", city)).transpose()?,
            near: near.map(point).transpose()?,
        };
        let args = PageArgs::new(first, after.as_deref())?;
        let count = async {
            if !ctx.look_ahead().field("totalCount").exists() {
                return Ok(0);
            }
            app(ctx).theater_count(filter).await
        };
        let page = app(ctx).theaters(filter, args.after.as_ref(), args.fetch());
        let (mut listed, total_count) = futures::try_join!(page, count)?;
        let limit = args.limit as usize;
        let mut connection = TheaterConnection::with_additional_fields(
            args.after.is_some(),
            listed.len() > limit,
            TotalCount { total_count },
        );
        listed.truncate(limit);
        connection.edges.extend(listed.into_iter().map(edge));
        Ok(connection)
    }

    /// A theater, by its id.
    #[graphql(cache_control(max_age = 60))]
    async fn theater(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Theater>, ApiError> {
        find(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_theater_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Theater>, ApiError> {
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Theater>, ApiError> {
    let Some(id) = named::<TheaterId>(id) else { return Ok(None) };
    Ok(Loaders::of(ctx).get(id).await?.map(Theater))
}

fn point(near: NearInput) -> Result<(Position, f64), ApiError> {
    let position = Position::new(near.lat, near.lon)
        .ok_or_else(|| ApiError::bad_input("near: lat must be from -90 to 90 and lon from -180 to 180"))?;
    Ok((position, near.radius_km))
}

fn edge(
    listed: TheaterListed,
) -> Edge<OpaqueCursor<crate::store::theater::TheaterKey>, Theater, TheaterEdgeFields> {
    let cursor = OpaqueCursor(listed.key());
    let fields = TheaterEdgeFields { distance_km: listed.distance.map(|metres| metres as f64 / 1_000.0) };
    Edge::with_additional_fields(cursor, Theater(listed.theater), fields)
}
