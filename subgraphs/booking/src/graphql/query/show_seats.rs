//! `Show`, as far as its seats go.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, ID, Object, Result, dataloader::Loader};
use graphql_kit::{Cost, validated};
use kernel::ShowId;

use crate::app::{App, seats::SeatsError};
use crate::domain::availability;
use crate::graphql::{
    error::{app, fault, tell_degraded},
    loaders::Loaders,
    model::{
        hold::failure,
        seat_map::{Availability, SeatMap},
    },
};

/// A title on a screen at a time; the catalog knows the rest.
pub struct Show(pub ShowId);

#[Object]
impl Show {
    /// Opaque, starts with `show_`.
    #[graphql(cache_control(max_age = 60))]
    async fn id(&self) -> ID {
        ID(self.0.to_string())
    }

    /// The seats as they are now; null for a show that is not on sale yet.
    #[graphql(directive = Cost::apply(2), cache_control(private, max_age = 60))]
    async fn seat_map(&self, ctx: &Context<'_>) -> Result<Option<SeatMap>> {
        let app = app(ctx)?;
        match app.seats.snapshot(self.0).await {
            Ok(snapshot) => {
                tell_degraded(ctx, app, snapshot.degraded);
                match snapshot.validator(self.0) {
                    Some(seats) => validated::by(ctx, seats.to_string()),
                    None => validated::by_nothing(ctx),
                }
                Ok(Some(SeatMap::new(self.0, snapshot)))
            }
            Err(SeatsError::UnknownShow(_)) => {
                // It may be on sale in a moment.
                validated::by_nothing(ctx);
                Ok(None)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Whether holding seats needs a `challengeToken`; null when the show is not on sale yet.
    async fn challenge_required(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        app(ctx)?.challenge_required(self.0).await.map_err(fault)
    }

    /// How full the show is; may lag behind the seat map by some seconds. Null when it is not on
    /// sale.
    #[graphql(directive = Cost::apply(1), cache_control(max_age = 10))]
    async fn availability(&self, ctx: &Context<'_>) -> Result<Option<Availability>> {
        let badge = ctx.data::<Loaders>()?.availability.load_one(self.0).await;
        Ok(badge.map_err(|error| failure(&error))?.map(Availability::from))
    }
}

/// How full the shows of one request are.
#[derive(Clone)]
pub(in crate::graphql) struct AvailabilityLoader(pub(in crate::graphql) Arc<App>);

impl Loader<ShowId> for AvailabilityLoader {
    type Value = availability::Availability;
    type Error = SeatsError;

    async fn load(&self, shows: &[ShowId]) -> Result<HashMap<ShowId, Self::Value>, Self::Error> {
        self.0.seats.availability(shows).await
    }
}

#[derive(Default)]
pub struct ShowSeatsQuery;

#[Object]
impl ShowSeatsQuery {
    #[graphql(entity)]
    async fn find_show_by_id(&self, id: ID) -> Option<Show> {
        id.parse().ok().map(Show)
    }
}
