//! The GraphQL face of booking: parse, call `app`, map.

mod error;
mod loaders;
mod model;
mod mutation;
mod query;
mod subscription;

use std::sync::Arc;

use async_graphql::SchemaBuilder;
use axum::Router;
use graphql_kit::{Schemas, TokenVerifier, shell};
use platform::Shutdown;

use crate::app::App;
use loaders::Loaders;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

/// The schema of this subgraph.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .enable_federation()
        .enable_subscription_in_federation()
}

/// The schema without anything behind it, to be exported.
pub fn schema() -> Schema {
    builder().finish()
}

/// `/graphql` and `/ws` over `app`.
pub(crate) fn routes(app: &Arc<App>, verifier: TokenVerifier, shutdown: &Shutdown) -> Router {
    let limits = app.config.limits;
    let schemas = Schemas::within(limits, || builder().data(Arc::clone(app)));
    let app = Arc::clone(app);
    let prepare: shell::Prepare = Arc::new(move |request| request.data(Loaders::new(&app)));
    shell::routes("booking", schemas, verifier, prepare, limits, shutdown.token())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a line, or a field to one, says that it is the same for everybody, and that nobody
    /// minds if it is as old. What is validated nobody gets who has not asked Redis whether it still holds.
    #[test]
    fn what_everybody_may_share_is_known() {
        let expected = [
            "Money 3600: amount currency",
            "SeatMap 30 validated: prices seats",
            "SeatMap 60 validated: available degraded epoch states version",
            "SeatMapSeat 30 validated: id index kind label price state",
            "SeatPrice 30 validated: kind price",
            "Show 10: availability",
            "Show 60 validated: seatMap",
            "Show 60: id",
        ];
        assert_eq!(graphql_kit::sharing::shared::<Query>(), expected);
    }
}
