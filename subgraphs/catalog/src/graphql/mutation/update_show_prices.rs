//! `updateShowPrices`.

use async_graphql::{Context, ID, InputObject, Object};
use graphql_kit::{ApiError, Cost, DecimalText, require_user};

use super::{ShowPriceInput, UpdateShowPricesPayload, app};
use crate::app::{Refusal, UpdateShowPrices};

/// Other prices for a show.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct UpdateShowPricesInput {
    /// Which show.
    show_id: ID,
    /// What a regular seat costs; with it, kinds that are not in `prices` follow from it anew.
    base_price: Option<DecimalText>,
    /// What kinds cost.
    #[graphql(default)]
    prices: Vec<ShowPriceInput>,
}

/// `updateShowPrices`.
#[derive(Debug, Default)]
pub struct UpdateShowPricesMutation;

#[Object]
impl UpdateShowPricesMutation {
    /// Changes the prices of a show that has not begun; holds and bookings keep theirs. For
    /// managers.
    #[graphql(directive = Cost::apply(10), requires_scopes = "role:manager", requires_scopes = "role:admin")]
    async fn update_show_prices(
        &self,
        ctx: &Context<'_>,
        input: UpdateShowPricesInput,
    ) -> Result<UpdateShowPricesPayload, ApiError> {
        let actor = require_user(ctx)?;
        let Ok(show_id) = input.show_id.parse() else {
            return Ok(Err(Refusal::not_found("showId", "show")).into());
        };
        let wanted = UpdateShowPrices {
            show_id,
            base_price: input.base_price.map(|base| base.0),
            prices: input.prices.into_iter().map(Into::into).collect(),
        };
        Ok(app(ctx).update_show_prices(actor, wanted).await?.into())
    }
}
