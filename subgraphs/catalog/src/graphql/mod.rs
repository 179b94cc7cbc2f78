//! The GraphQL face of the catalog: parse, call `app`, map.

mod loaders;
mod model;
mod mutation;
mod query;

use std::sync::Arc;

use async_graphql::{EmptySubscription, SchemaBuilder};
use axum::Router;
use graphql_kit::{Limits, TokenVerifier, shell};
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

/// The schema, without anything behind it; [`prepare`] gives each request what it needs.
pub fn schema() -> Schema {
    builder().finish()
}

/// The same, for operations within `limits`.
pub fn schema_within(limits: Limits) -> Schema {
    limits.on(builder()).finish()
}

/// Puts the use cases, and loaders of its own, into each request.
pub fn prepare(app: App) -> shell::Prepare {
    Arc::new(move |request| request.data(app.clone()).data(Loaders::new(app.clone())))
}

/// `/graphql` over `app`.
pub(crate) fn routes(app: App, verifier: TokenVerifier, limits: Limits, shutdown: &Shutdown) -> Router {
    shell::routes("catalog", schema_within(limits), verifier, prepare(app), limits, shutdown.token())
}
