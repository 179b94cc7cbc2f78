//! What managers can change, a file per mutation.

mod cancel_show;
mod schedule_show;
mod update_show_prices;

use std::sync::Arc;

use async_graphql::{Context, InputObject, MergedObject, SimpleObject};
use graphql_kit::{DecimalText, SeatKind};
use rust_decimal::Decimal;

use crate::{
    app::{App, Refusal},
    domain,
    graphql::model::{Show, UserError},
};

/// Everything that can be changed in the catalog.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    schedule_show::ScheduleShowMutation,
    cancel_show::CancelShowMutation,
    update_show_prices::UpdateShowPricesMutation,
);

/// What a kind of seat is to cost.
#[derive(Debug, Clone, Copy, InputObject)]
pub(crate) struct ShowPriceInput {
    /// The kind of seat.
    kind: SeatKind,
    /// In the city's currency: `"12.50"`.
    amount: DecimalText,
}

impl From<ShowPriceInput> for (kernel::SeatKind, Decimal) {
    fn from(input: ShowPriceInput) -> Self {
        (input.kind.into(), input.amount.0)
    }
}

fn app<'c>(ctx: &Context<'c>) -> &'c App {
    ctx.data_unchecked()
}

/// Declares payloads that give a show, or say why not.
macro_rules! show_payloads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, SimpleObject)]
        pub(crate) struct $name {
            /// The show as it is now; null when the mutation was refused.
            show: Option<Show>,
            /// Why the mutation was refused; empty when it was not.
            user_errors: Vec<UserError>,
        }

        impl From<Result<domain::Show, Refusal>> for $name {
            fn from(outcome: Result<domain::Show, Refusal>) -> Self {
                match outcome {
                    Ok(show) => Self { show: Some(Show(Arc::new(show))), user_errors: Vec::new() },
                    Err(refusal) => Self { show: None, user_errors: vec![refusal.into()] },
                }
            }
        }
    )*};
}

show_payloads! {
    /// What `scheduleShow` did.
    ScheduleShowPayload;
    /// What `cancelShow` did.
    CancelShowPayload;
    /// What `updateShowPrices` did.
    UpdateShowPricesPayload;
}
