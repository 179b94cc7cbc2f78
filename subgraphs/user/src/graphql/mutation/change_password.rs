//! `changePassword`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, require_user};

use crate::{
    app::ChangePassword,
    graphql::{
        error::{app, settle},
        model::{User, UserError},
    },
};

/// The old and the new password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// Proves that it is the owner who sits at this device.
    #[graphql(secret)]
    current_password: String,
    /// 8 to 128 characters, and not one that everybody tries first.
    #[graphql(secret)]
    new_password: String,
}

/// What came of `changePassword`.
#[derive(SimpleObject)]
pub struct ChangePasswordPayload {
    /// The person whose password it is.
    user: Option<User>,
    /// Why nothing was changed.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct ChangePasswordMutation;

#[Object]
impl ChangePasswordMutation {
    /// Changes the password of the person who is logged in, and ends their other sessions.
    #[graphql(directive = Cost::apply(10), requires_scopes = "account")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        let change = ChangePassword {
            current_password: input.current_password.into(),
            new_password: input.new_password.into(),
        };
        let outcome = app(ctx)?.change_password(require_user(ctx)?, change).await;
        let (account, user_errors) = settle(outcome)?;
        Ok(ChangePasswordPayload { user: account.map(User), user_errors })
    }
}
