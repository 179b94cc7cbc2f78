//! `signUp`.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use graphql_kit::{Cost, refuse_keys};

use crate::{
    app::SignUp,
    graphql::{
        error::{app, settle},
        model::{Session, UserError},
    },
};

/// What to sign up with.
#[derive(InputObject)]
pub struct SignUpInput {
    /// Where mail reaches the person.
    email: String,
    /// 8 to 128 characters, and not one that everybody tries first.
    #[graphql(secret)]
    password: String,
    /// What the person is called: 1 to 100 characters of any script.
    name: String,
    /// The person's language as a BCP 47 tag: `en`, `pt-BR`.
    locale: Option<String>,
    /// The person's time zone by its IANA name: `Europe/Berlin`.
    time_zone: Option<String>,
}

/// What came of `signUp`.
#[derive(SimpleObject)]
pub struct SignUpPayload {
    /// The session of the new account.
    session: Option<Session>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct SignUpMutation;

#[Object]
impl SignUpMutation {
    /// Creates an account and logs it in.
    #[graphql(directive = Cost::apply(10))]
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpInput) -> Result<SignUpPayload> {
        refuse_keys(ctx)?;
        let outcome = app(ctx)?
            .sign_up(SignUp {
                email: input.email,
                password: input.password.into(),
                name: input.name,
                locale: input.locale,
                time_zone: input.time_zone,
            })
            .await;
        let (grant, user_errors) = settle(outcome)?;
        Ok(SignUpPayload { session: grant.map(Session), user_errors })
    }
}
