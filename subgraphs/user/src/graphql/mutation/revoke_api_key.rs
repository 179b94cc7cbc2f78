//! `revokeApiKey`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, require_user};

use crate::{
    app::{Failure, Refusal},
    graphql::{
        error::{app, settle},
        model::{ApiKey, UserError},
    },
};

/// Which key to take back.
#[derive(InputObject)]
pub struct RevokeApiKeyInput {
    /// The key's id.
    id: ID,
}

/// What came of `revokeApiKey`.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The key, void now.
    api_key: Option<ApiKey>,
    /// Why nothing was done.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct RevokeApiKeyMutation;

#[Object]
impl RevokeApiKeyMutation {
    /// Takes a key back: it gives no tokens any more, and those that it gave end within minutes.
    /// Doing it again changes nothing. For administrators.
    #[graphql(directive = Cost::apply(10), requires_scopes = "role:admin")]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload> {
        let caller = require_user(ctx)?;
        let outcome = match input.id.parse() {
            Ok(id) => app(ctx)?.revoke_api_key(caller, id).await,
            Err(_) => Err(Failure::from(Refusal::NoSuchKey)),
        };
        let (revoked, user_errors) = settle(outcome)?;
        Ok(RevokeApiKeyPayload { api_key: revoked.map(ApiKey), user_errors })
    }
}
