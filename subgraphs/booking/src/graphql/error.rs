//! From failures to what clients see of them.

use std::sync::Arc;

use async_graphql::Context;
use graphql_kit::{ApiError, degraded};

use crate::app::{App, AppError};

/// What a client sees of a use case that could not be carried out.
pub(super) fn fault(error: AppError) -> async_graphql::Error {
    ApiError::from(error).into()
}

/// The same for an error that several fields of a request share.
pub(super) fn shared_fault(error: &Arc<AppError>) -> async_graphql::Error {
    if error.is_unavailable() {
        ApiError::unavailable("booking", &**error).into()
    } else {
        ApiError::internal(&**error).into()
    }
}

/// What suffers while Redis is away.
const SEATS: &str = "seats";

/// The answer says that the live seats are away: if they are, or if it is known that they were.
pub(super) fn tell_degraded(ctx: &Context<'_>, app: &App, known: bool) {
    if known || app.deps.redis.is_away() {
        degraded::mark(ctx, SEATS);
    }
}

/// The use cases behind the schema.
pub(super) fn app<'c>(ctx: &Context<'c>) -> async_graphql::Result<&'c Arc<App>> {
    ctx.data::<Arc<App>>()
}
