//! From failures to what clients see of them.

use std::sync::Arc;

use async_graphql::Context;
use graphql_kit::ApiError;
use kernel::ErrorCode;
use platform::pg;

use super::model::UserError;
use crate::app::{App, Failure, Fault};

/// The outcome of a use case, as a mutation's payload needs it: refusals are data beside no
/// result, faults are errors.
pub(super) fn settle<T>(outcome: Result<T, Failure>) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match outcome {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Failure::Refused(refusals)) => Ok((None, refusals.into_iter().map(UserError::from).collect())),
        Err(Failure::Fault(fault)) => Err(api_error(&fault)),
    }
}

/// What a client sees of a fault.
pub(super) fn api_error(fault: &Fault) -> ApiError {
    match fault {
        Fault::SessionEnded => ApiError::new(
            ErrorCode::Unauthenticated,
            "the session of this access token has ended; log in again",
        ),
        Fault::Forbidden(why) => ApiError::forbidden(*why),
        Fault::Busy => ApiError::new(
            ErrorCode::Unavailable,
            "too many people are logging in right now; nothing was changed, try again shortly",
        ),
        Fault::Db(error) if pg::is_unavailable(error) || pg::is_contention(error) => {
            ApiError::unavailable("the account database", error)
        }
        Fault::Db(_) | Fault::Password(_) | Fault::Sign(_) | Fault::Event(_) => ApiError::internal(fault),
    }
}

/// The use cases behind the schema.
pub(super) fn app<'c>(ctx: &Context<'c>) -> async_graphql::Result<&'c App> {
    ctx.data::<Arc<App>>().map(|app| &**app)
}
