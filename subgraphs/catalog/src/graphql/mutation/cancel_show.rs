//! `cancelShow`.

use async_graphql::{Context, ID, InputObject, Object};
use graphql_kit::{ApiError, Cost, require_user};

use super::{CancelShowPayload, app};
use crate::app::{CancelShow, Refusal};

/// A show that is not to be.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct CancelShowInput {
    /// Which show.
    show_id: ID,
    /// Why, in words for the audience.
    reason: Option<String>,
}

/// `cancelShow`.
#[derive(Debug, Default)]
pub struct CancelShowMutation;

#[Object]
impl CancelShowMutation {
    /// Cancels a show that is not over. Doing it twice is the same as once. For managers.
    #[graphql(directive = Cost::apply(10), requires_scopes = "role:manager", requires_scopes = "role:admin")]
    async fn cancel_show(
        &self,
        ctx: &Context<'_>,
        input: CancelShowInput,
    ) -> Result<CancelShowPayload, ApiError> {
        let actor = require_user(ctx)?;
        let outcome = match input.show_id.parse() {
            Ok(show_id) => app(ctx).cancel_show(actor, CancelShow { show_id, reason: input.reason }).await?,
            Err(_) => Err(Refusal::not_found("showId", "show")),
        };
        Ok(outcome.into())
    }
}
