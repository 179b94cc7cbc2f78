//! `apiKeys`.

use async_graphql::{Context, ID, Object, Result};
use graphql_kit::{ApiError, Connection, Cost, PageArgs, Paged, paging::complexity, require_user};
use kernel::{ApiKeyId, UserId};

use crate::graphql::{
    error::{api_error, app},
    model::ApiKey,
};

#[derive(Default)]
pub struct ApiKeysQuery;

#[Object]
impl ApiKeysQuery {
    /// API keys, newest first, also those that are void: for administrators all, for partners
    /// their own.
    #[graphql(
        directive = Cost::apply(2),
        directive = Paged::apply(),
        complexity = "complexity(first, child_complexity)",
        requires_scopes = "role:admin",
        requires_scopes = "role:partner"
    )]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this account.")] account_id: Option<ID>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
    ) -> Result<Connection<ApiKeyId, ApiKey>> {
        let caller = require_user(ctx)?;
        let args = PageArgs::<ApiKeyId>::new(first, after.as_deref())?;
        let account = match account_id {
            Some(id) => {
                Some(id.parse::<UserId>().map_err(|_| ApiError::bad_input("accountId is no such id"))?)
            }
            None => None,
        };
        let page = app(ctx)?
            .api_keys(caller, account, args.after, args.fetch())
            .await
            .map_err(|fault| api_error(&fault))?;
        Ok(args.page(page.keys, page.total, |key| key.id, ApiKey))
    }
}
