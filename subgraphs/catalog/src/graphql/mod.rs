//! The GraphQL face of the catalog: parse, call `app`, map.

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
    let schemas = Schemas::within(limits, builder);
    shell::routes("catalog", schemas, verifier, prepare(app), limits, shutdown.token())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a line, or a field to one, says that it is the same for everybody.
    #[test]
    fn what_everybody_may_share_is_known() {
        let expected = [
            "CastMember 60: character name",
            "City 60: countryCode currency id name position slug timeZone",
            "CrewMember 60: job name",
            "DayHours 60: closes day opens",
            "ExternalId 60: id source",
            "LayoutRow 60: label seats",
            "LayoutSeat 60: column id index kind label number",
            "Money 3600: amount currency",
            "Movie 30: showtimes",
            "Movie 60: backdropUrl cast certificate crew description directors externalIds formats genres id \
             languages posterUrl rating releaseDate runtimeMinutes title trailerUrl",
            "Position 60: lat lon",
            "Query 30: movies search show",
            "Query 60: cities city movie screen theater theaters title",
            "Rating 60: average count",
            "Screen 60: formats id layout name number revision theater",
            "SeatLayout 60: columns packed rows seatCount",
            "Show 30: cancelReason city endsAt format id language localStartsAt movie priceFrom prices screen \
             special startsAt status subtitles theater timeZone",
            "ShowPrice 30: kind price",
            "Theater 30: shows",
            "Theater 60: address amenities city id name openingHours position screens",
            "TheaterShowtimes 30: shows theater",
            "Title 60: backdropUrl description genres id languages posterUrl rating title trailerUrl",
        ];
        assert_eq!(graphql_kit::sharing::shared::<Query>(), expected);
    }
}
