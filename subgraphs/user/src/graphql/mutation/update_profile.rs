//! `updateProfile`.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use graphql_kit::{Cost, require_user};

use crate::{
    app::{Change, UpdateProfile},
    graphql::{
        error::{app, settle},
        model::{User, UserError},
    },
};

/// The fields to change. Fields that are left out stay as they are.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// What the person is called: 1 to 100 characters of any script.
    name: Option<String>,
    /// The person's language as a BCP 47 tag: `en`, `pt-BR`.
    locale: Option<String>,
    /// The person's time zone by its IANA name: `Europe/Berlin`; null forgets it.
    time_zone: MaybeUndefined<String>,
}

/// What came of `updateProfile`.
#[derive(SimpleObject)]
pub struct UpdateProfilePayload {
    /// The person after the change.
    user: Option<User>,
    /// Why nothing was changed.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct UpdateProfileMutation;

#[Object]
impl UpdateProfileMutation {
    /// Changes the profile of the person who is logged in.
    #[graphql(directive = Cost::apply(10), requires_scopes = "account")]
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        input: UpdateProfileInput,
    ) -> Result<UpdateProfilePayload> {
        let change = UpdateProfile {
            name: input.name,
            locale: input.locale,
            time_zone: match input.time_zone {
                MaybeUndefined::Undefined => Change::Keep,
                MaybeUndefined::Null => Change::Clear,
                MaybeUndefined::Value(zone) => Change::Set(zone),
            },
        };
        let outcome = app(ctx)?.update_profile(require_user(ctx)?, change).await;
        let (account, user_errors) = settle(outcome)?;
        Ok(UpdateProfilePayload { user: account.map(User), user_errors })
    }
}
