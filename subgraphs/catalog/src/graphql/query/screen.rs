//! Screens.

use async_graphql::{Context, ID, Object};
use graphql_kit::ApiError;
use kernel::ScreenId;

use super::named;
use crate::graphql::{loaders::Loaders, model::Screen};

/// What can be asked about screens.
#[derive(Debug, Default)]
pub struct ScreenQuery;

#[Object]
impl ScreenQuery {
    /// A room with seats, by its id.
    #[graphql(cache_control(max_age = 60))]
    async fn screen(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Screen>, ApiError> {
        find(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_screen_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Screen>, ApiError> {
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Screen>, ApiError> {
    let Some(id) = named::<ScreenId>(id) else { return Ok(None) };
    Ok(Loaders::of(ctx).get(id).await?.map(Screen))
}
