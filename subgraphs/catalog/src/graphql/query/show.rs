//! Shows.

use async_graphql::{Context, ID, Object};
use graphql_kit::ApiError;
use kernel::ShowId;

use super::named;
use crate::graphql::{loaders::Loaders, model::Show};

/// What can be asked about shows.
#[derive(Debug, Default)]
pub struct ShowQuery;

#[Object]
impl ShowQuery {
    /// A show, by its id.
    #[graphql(cache_control(max_age = 30))]
    async fn show(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Show>, ApiError> {
        find(ctx, &id).await
    }

    #[graphql(entity)]
    async fn find_show_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Show>, ApiError> {
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Show>, ApiError> {
    let Some(id) = named::<ShowId>(id) else { return Ok(None) };
    Ok(Loaders::of(ctx).get(id).await?.map(Show))
}
