//! Queries.

mod api_keys;

use async_graphql::{Context, ID, MergedObject, Object, Result};
use graphql_kit::{Caller, Cost, caller, require_user};
use kernel::UserId;

use super::{
    error::{api_error, app},
    loaders::Loaders,
    model::User,
};

/// The root of queries.
#[derive(MergedObject, Default)]
pub struct Query(AccountQuery, api_keys::ApiKeysQuery);

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The person who is logged in; null without an access token.
    #[graphql(directive = Cost::apply(1))]
    async fn me(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        if matches!(caller(ctx), Caller::Anonymous) {
            return Ok(None);
        }
        // A token that proves nothing is an error: its holder should refresh the session.
        user(ctx, require_user(ctx)?.user_id).await
    }

    /// Null for everyone but the person and administrators.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<User>> {
        match id.parse::<UserId>() {
            Ok(id) if app(ctx)?.may_see(caller(ctx).user(), id) => user(ctx, id).await,
            _ => Ok(None),
        }
    }
}

async fn user(ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
    let found = ctx.data::<Loaders>()?.accounts.load_one(id).await;
    Ok(found.map_err(|fault| api_error(&fault))?.map(User))
}
