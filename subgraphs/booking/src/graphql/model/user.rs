//! `User`, as far as booking adds to it.

use async_graphql::{Context, ID, Object, Result};
use graphql_kit::{Connection, Cost, PageArgs, Paged, caller, paging::complexity};
use kernel::{BookingId, UserId};

use super::booking::{BookingObject, BookingStatus};
use crate::app::history::HistoryQuery;
use crate::graphql::error::{app, fault, shared_fault};
use crate::graphql::loaders::Loaders;
use crate::store::history::HistoryEntry;

/// A person with an account.
pub struct User(pub UserId);

/// Where a page of bookings begins: microseconds since 1970 at which a booking was made, and its
/// id.
type Position = (i64, BookingId);

#[Object]
impl User {
    /// Opaque, starts with `user_`.
    async fn id(&self) -> ID {
        ID(self.0.to_string())
    }

    /// The person's bookings, newest first; null for everyone but the person and staff. A booking
    /// may take a moment to appear here.
    #[graphql(
        directive = Cost::apply(5),
        directive = Paged::apply(),
        complexity = "complexity(first, child_complexity)"
    )]
    async fn bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only those in this state.")] status: Option<BookingStatus>,
    ) -> Result<Option<Connection<Position, BookingObject>>> {
        let args = PageArgs::<Position>::new(first, after.as_deref())?;
        let query = HistoryQuery {
            user: self.0,
            status: status.map(Into::into),
            after: args.after.and_then(|(micros, booking)| {
                let created_at = chrono::DateTime::from_timestamp_micros(micros)?;
                Some(HistoryEntry { booking, created_at })
            }),
            limit: args.fetch(),
        };
        let page = app(ctx)?.history(caller(ctx).user(), &query).await.map_err(fault)?;
        let Some((entries, total)) = page else { return Ok(None) };
        let ids = entries.iter().map(|entry| entry.booking);
        let bookings = ctx.data::<Loaders>()?.bookings.load_many(ids).await.map_err(|e| shared_fault(&e))?;
        let rows = entries
            .into_iter()
            .filter_map(|entry| Some((entry, bookings.get(&entry.booking)?.clone())))
            .collect();
        Ok(Some(args.page(
            rows,
            total,
            |(entry, _)| (entry.created_at.timestamp_micros(), entry.booking),
            |(_, booking)| BookingObject(booking),
        )))
    }
}
