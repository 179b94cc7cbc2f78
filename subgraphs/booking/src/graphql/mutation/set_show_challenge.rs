//! `setShowChallenge`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use graphql_kit::user_error::NotAllowedError;
use graphql_kit::{ApiError, Cost, require_user};

use crate::app::challenge::MarkError;
use crate::graphql::error::{app, fault};
use crate::graphql::model::hold::no_such_show;
use crate::graphql::model::user_error::UserError;
use crate::graphql::query::show_seats::Show;

/// What holds of a show need.
#[derive(InputObject)]
pub struct SetShowChallengeInput {
    /// Which show.
    show_id: ID,
    /// Whether whoever holds its seats has to prove that they are a person.
    required: bool,
}

/// What came of `setShowChallenge`.
#[derive(SimpleObject, Default)]
pub struct SetShowChallengePayload {
    /// The show; null when the mutation was refused.
    show: Option<Show>,
    /// Why it is as it was.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct SetShowChallengeMutation;

#[Object]
impl SetShowChallengeMutation {
    /// Decides whether holds of a show need a `challengeToken`, against robots that are faster than
    /// people. Holds that exist stay. For managers.
    #[graphql(
        directive = Cost::apply(10),
        requires_scopes = "role:manager",
        requires_scopes = "role:admin"
    )]
    async fn set_show_challenge(
        &self,
        ctx: &Context<'_>,
        input: SetShowChallengeInput,
    ) -> Result<SetShowChallengePayload> {
        let who = require_user(ctx)?;
        let Ok(id) = input.show_id.parse() else { return Ok(refused(no_such_show())) };
        match app(ctx)?.show_challenge_set(who, id, input.required).await {
            Ok(()) => Ok(SetShowChallengePayload { show: Some(Show(id)), user_errors: Vec::new() }),
            Err(MarkError::UnknownShow) => Ok(refused(no_such_show())),
            Err(error @ MarkError::Off) => {
                let error = NotAllowedError::new(error.to_string()).with_code("CHALLENGES_OFF");
                Ok(refused(error.at(&["input", "required"]).into()))
            }
            Err(error @ MarkError::Forbidden) => Err(ApiError::forbidden(error.to_string()).into()),
            Err(MarkError::App(error)) => Err(fault(error)),
        }
    }
}

fn refused(error: UserError) -> SetShowChallengePayload {
    SetShowChallengePayload { show: None, user_errors: vec![error] }
}
