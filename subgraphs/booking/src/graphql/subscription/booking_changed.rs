//! `bookingChanged`.

use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription};
use futures::Stream;
use graphql_kit::{ApiError, Cost, RequiresScopes, Scope, require_scope};
use kernel::BookingId;

use crate::app::App;
use crate::app::bookings::BookingWatch;
use crate::graphql::error::{app, fault};
use crate::graphql::model::booking::BookingObject;

#[derive(Default)]
pub struct BookingChangedSubscription;

#[Subscription]
impl BookingChangedSubscription {
    /// A booking of the caller: as it is now, and then after each change of its status.
    #[graphql(directive = Cost::apply(5), directive = RequiresScopes::apply(&["bookings:write"]))]
    async fn booking_changed(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Result<BookingObject>> + use<>> {
        let caller = require_scope(ctx, Scope::BookingsWrite)?;
        let no_such = || ApiError::bad_input("you have no such booking");
        let id: BookingId = id.parse().map_err(|_| no_such())?;
        let app = Arc::clone(app(ctx)?);
        let watch = app.booking_watch(caller, id).await.map_err(fault)?.ok_or_else(no_such)?;
        Ok(changes(app, watch))
    }
}

fn changes(app: Arc<App>, mut watch: BookingWatch) -> impl Stream<Item = Result<BookingObject>> {
    async_stream::try_stream! {
        yield BookingObject(watch.current().clone());
        loop {
            yield BookingObject(watch.next(&app).await.map_err(fault)?.clone());
        }
    }
}
