//! `auditTrail`.

use async_graphql::{Context, ID, Object, Result};
use graphql_kit::{ApiError, Connection, Cost, PageArgs, Paged, paging::complexity, require_user};

use crate::app::audit::{AuditError, AuditQuery};
use crate::domain::audit::Recorded;
use crate::graphql::error::{app, fault};
use crate::graphql::model::audit_entry::AuditEntry;

#[derive(Default)]
pub struct AuditTrailQuery;

#[Object]
impl AuditTrailQuery {
    /// Who changed what of a show or a booking, when and why; newest first. For managers and
    /// admins.
    #[graphql(
        directive = Cost::apply(10),
        directive = Paged::apply(),
        complexity = "complexity(first, child_complexity)",
        requires_scopes = "role:manager",
        requires_scopes = "role:admin"
    )]
    async fn audit_trail(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this show. This or `bookingId` is needed.")] show_id: Option<ID>,
        #[graphql(desc = "Only of this booking.")] booking_id: Option<ID>,
        #[graphql(desc = "Only what is about this seat.")] seat_id: Option<ID>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
    ) -> Result<Connection<i64, AuditEntry>> {
        let caller = require_user(ctx)?;
        let args = PageArgs::<i64>::new(first, after.as_deref())?;
        let query = AuditQuery {
            show: parsed(show_id, "showId")?,
            booking: parsed(booking_id, "bookingId")?,
            seat: parsed(seat_id, "seatId")?,
            before: args.after,
            limit: args.fetch(),
        };
        let page = app(ctx)?.audit_trail(caller, &query).await.map_err(refusal)?;
        let number = |(_, entry): &(_, Recorded)| entry.number;
        Ok(args.page(page.entries, page.total, number, |(show, entry)| AuditEntry::new(&show, entry)))
    }
}

fn parsed<T: std::str::FromStr>(id: Option<ID>, name: &str) -> Result<Option<T>> {
    let parse = |id: ID| id.parse().map_err(|_| ApiError::bad_input(format!("{name} is no such id")));
    Ok(id.map(parse).transpose()?)
}

fn refusal(error: AuditError) -> async_graphql::Error {
    match error {
        AuditError::Forbidden => ApiError::forbidden(error.to_string()).into(),
        AuditError::NothingNamed | AuditError::OtherShow | AuditError::OtherScreen => {
            ApiError::bad_input(error.to_string()).into()
        }
        AuditError::App(error) => fault(error),
    }
}
