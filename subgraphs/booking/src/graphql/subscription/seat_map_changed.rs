//! `seatMapChanged`.

use async_graphql::{Context, ID, Result, Subscription};
use futures::{Stream, StreamExt};
use graphql_kit::ApiError;
use kernel::ShowId;

use crate::app::seats::SeatsError;
use crate::graphql::{
    error::app,
    model::{hold::failure, seat_map::SeatMapDelta},
};

#[derive(Default)]
pub struct SeatMapChangedSubscription;

#[Subscription]
impl SeatMapChangedSubscription {
    /// Every change of the seats of a show. The first delta has no changes: read `Show.seatMap`
    /// after it. A delta without changes comes every few seconds and says where the map stands:
    /// when your version is another, or your epoch, something was missed, and it is time to read
    /// the map again. The same for everybody who asks.
    async fn seat_map_changed(
        &self,
        ctx: &Context<'_>,
        show_id: ID,
    ) -> Result<impl Stream<Item = SeatMapDelta> + use<>> {
        let no_such = || ApiError::bad_input("there is no such show");
        let id: ShowId = show_id.parse().map_err(|_| no_such())?;
        let seats = &app(ctx)?.seats;
        let show = seats.show(id).await.map_err(|error| match error {
            SeatsError::UnknownShow(_) => no_such().into(),
            error => failure(&error),
        })?;
        let screen = show.screen_id;
        let deltas = seats.watch(id).await.map_err(|error| failure(&error))?;
        Ok(deltas.map(move |delta| SeatMapDelta::new(screen, &delta)))
    }
}
