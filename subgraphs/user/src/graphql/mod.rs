//! The GraphQL face of the user subgraph: parse, call `app`, map.

mod error;
mod loaders;
mod model;
mod mutation;
mod query;

use std::sync::Arc;

use async_graphql::{EmptySubscription, SchemaBuilder};
use axum::Router;
use graphql_kit::{Limits, Schemas, TokenVerifier, shell};
use platform::Shutdown;

use crate::app::App;
use loaders::Loaders;
use mutation::Mutation;
use query::Query;

/// The schema of this subgraph.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .enable_federation()
        .enable_subscription_in_federation()
}

/// The schema without anything behind it, to be exported.
pub fn schema() -> Schema {
    builder().finish()
}

/// `/graphql` over `app`.
pub(crate) fn routes(app: Arc<App>, verifier: TokenVerifier, limits: Limits, shutdown: &Shutdown) -> Router {
    let schemas = Schemas::within(limits, || builder().data(Arc::clone(&app)));
    let prepare: shell::Prepare = Arc::new(move |request| {
        let loaders = Loaders::new(Arc::clone(&app));
        request.data(loaders)
    });
    shell::routes("user", schemas, verifier, prepare, limits, shutdown.token())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a line says that it is the same for everybody.
    #[test]
    fn nothing_is_shared() {
        assert_eq!(graphql_kit::sharing::shared::<Query>(), [] as [&str; 0]);
    }
}
