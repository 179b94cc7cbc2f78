//! `createApiKey`.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use graphql_kit::{Cost, require_user};
use secrecy::ExposeSecret as _;

use crate::{
    app::{CreateApiKey, Failure, Refusal},
    domain::AskedTerms,
    graphql::{
        error::{app, settle},
        model::{ApiKey, ApiKeyScope, UserError},
    },
};

/// What the key is for.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// The partner's account.
    account_id: ID,
    /// What to call the key: 1 to 100 characters.
    name: String,
    /// What it may do; at least one.
    scopes: Vec<ApiKeyScope>,
    /// How many operations in a minute; at least 1.
    rate_per_minute: i32,
    /// How many operations in a day (UTC); at least 1.
    daily_quota: i32,
    /// How many seats of one show, held and booked together; at least 1.
    seats_per_show: i32,
    /// When it ends; two years from now if not given, which is also the longest.
    expires_at: Option<DateTime<Utc>>,
}

/// What came of `createApiKey`.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The new key as it is kept.
    api_key: Option<ApiKey>,
    /// The key as its holder needs it. It is shown this once: if it gets lost, revoke the key and
    /// create another.
    secret: Option<String>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct CreateApiKeyMutation;

#[Object]
impl CreateApiKeyMutation {
    /// Makes a key for a partner's programs. For administrators.
    #[graphql(directive = Cost::apply(10), requires_scopes = "role:admin")]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let caller = require_user(ctx)?;
        let outcome = match input.account_id.parse() {
            Ok(account) => {
                let terms = AskedTerms {
                    name: input.name,
                    scopes: input.scopes.into_iter().map(Into::into).collect(),
                    rate_per_minute: input.rate_per_minute.into(),
                    daily_quota: input.daily_quota.into(),
                    seats_per_show: input.seats_per_show.into(),
                    expires_at: input.expires_at,
                };
                app(ctx)?.create_api_key(caller, CreateApiKey { account, terms }).await
            }
            Err(_) => Err(Failure::from(Refusal::NoSuchAccount)),
        };
        let (created, user_errors) = settle(outcome)?;
        let secret = created.as_ref().map(|created| created.text.expose_secret().to_owned());
        Ok(CreateApiKeyPayload { api_key: created.map(|created| ApiKey(created.key)), secret, user_errors })
    }
}
