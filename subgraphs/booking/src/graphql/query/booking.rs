//! `booking`, and the entity `Booking`.

use async_graphql::{Context, ID, Object, Result};
use graphql_kit::{Cost, Scope, caller, require_scope};
use kernel::BookingId;

use crate::app::bookings::may_see;
use crate::graphql::error::{app, fault, shared_fault};
use crate::graphql::loaders::Loaders;
use crate::graphql::model::booking::BookingObject;

#[derive(Default)]
pub struct BookingQuery;

#[Object]
impl BookingQuery {
    /// A booking of the caller (staff see every booking); null when there is none.
    #[graphql(directive = Cost::apply(1), requires_scopes = "bookings:write")]
    async fn booking(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BookingObject>> {
        let caller = require_scope(ctx, Scope::BookingsWrite)?;
        let Ok(id) = id.parse::<BookingId>() else { return Ok(None) };
        let booking = app(ctx)?.booking_visible(caller, id).await.map_err(fault)?;
        Ok(booking.map(BookingObject))
    }

    /// Null for those who may not see it.
    #[graphql(entity)]
    async fn find_booking_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BookingObject>> {
        let (Some(caller), Ok(id)) = (caller(ctx).user(), id.parse::<BookingId>()) else { return Ok(None) };
        let booking = ctx.data::<Loaders>()?.bookings.load_one(id).await.map_err(|e| shared_fault(&e))?;
        Ok(booking.filter(|booking| may_see(caller, booking)).map(BookingObject))
    }
}
