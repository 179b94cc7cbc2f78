//! `ApiKey`.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use chrono::{DateTime, NaiveDate, Utc};
use graphql_kit::{ApiError, AssumedSize, Cost, Date, Scope};

use super::User;
use crate::{
    domain::{ApiKey as Key, KeyStatus, Period, Usage, api_key, usage::MOST_DAYS},
    graphql::{
        error::{api_error, app},
        loaders::Loaders,
    },
};

/// One thing that an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Scope")]
pub enum ApiKeyScope {
    /// Movies, theaters, shows and prices; `catalog:read` in tokens.
    CatalogRead,
    /// Seat maps and how they change; `seats:watch` in tokens.
    SeatsWatch,
    /// Take, extend and release holds; `holds:write` in tokens.
    HoldsWrite,
    /// Check out, and read and cancel what the key's account booked; `bookings:write` in tokens.
    BookingsWrite,
}

/// Whether an API key is good for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "KeyStatus")]
pub enum ApiKeyStatus {
    /// It gives tokens.
    Active,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// What a partner's program has instead of a password. The secret part of it is not kept.
pub struct ApiKey(pub Key);

/// What a partner's program has instead of a password. The secret part of it is not kept.
#[Object]
impl ApiKey {
    /// Opaque, starts with `key_`; the client id for `/oauth/token`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What the key begins with, up to its secret part.
    async fn prefix(&self) -> String {
        api_key::shown(self.0.id)
    }

    /// What the key is called.
    async fn name(&self) -> &str {
        self.0.terms.name.as_str()
    }

    /// The partner whose key this is, and who acts when it is used.
    #[graphql(directive = Cost::apply(1))]
    async fn account(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let found = ctx.data::<Loaders>()?.accounts.load_one(self.0.account).await;
        Ok(found.map_err(|fault| api_error(&fault))?.map(User))
    }

    /// What it may do.
    #[graphql(directive = AssumedSize::apply(4))]
    async fn scopes(&self) -> Vec<ApiKeyScope> {
        self.0.terms.scopes.iter().map(|&scope| scope.into()).collect()
    }

    /// How many operations it may do in a minute.
    async fn rate_per_minute(&self) -> u32 {
        self.0.terms.limits.rate_per_minute
    }

    /// How many operations it may do in a day (UTC).
    async fn daily_quota(&self) -> u32 {
        self.0.terms.limits.daily_quota
    }

    /// How many seats of one show it may hold and book together.
    async fn seats_per_show(&self) -> u32 {
        self.0.terms.limits.seats_per_show
    }

    /// Whether it is good for something now.
    async fn status(&self, ctx: &Context<'_>) -> Result<ApiKeyStatus> {
        Ok(app(ctx)?.api_key_status(&self.0).into())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// It gives no tokens from this moment on.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.terms.expires_at
    }

    /// When it was taken back.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.0.revoked_at
    }

    /// When a token was last made with it, to the hour.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }

    /// What was done with it, by day, for days on which it did something. Today's counts are a
    /// minute or two old.
    #[graphql(
        directive = Cost::apply(1),
        directive = AssumedSize::apply(31),
        complexity = "1 + 31 * child_complexity"
    )]
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day (UTC).")] from: Date,
        #[graphql(desc = "The last day (UTC), at most 92 days with the first one.")] to: Date,
    ) -> Result<Vec<ApiKeyUsage>> {
        let period = Period::new(from.0, to.0).ok_or_else(|| {
            ApiError::bad_input(format!("`from` and `to` must be in order and span at most {MOST_DAYS} days"))
        })?;
        let found = ctx.data::<Loaders>()?.usage.load_one((self.0.id, period)).await;
        Ok(days(found.map_err(|fault| api_error(&fault))?.unwrap_or_default()))
    }
}

/// What was done with an API key on one day.
#[derive(Debug, SimpleObject)]
pub struct ApiKeyUsage {
    /// In UTC.
    pub day: Date,
    /// How many operations, of all classes.
    pub operations: i64,
    /// The same by class.
    #[graphql(directive = AssumedSize::apply(5))]
    pub classes: Vec<ApiKeyClassUsage>,
}

/// What was done with an API key on one day, of one class.
#[derive(Debug, SimpleObject)]
pub struct ApiKeyClassUsage {
    /// As in the limits of rates: `general`, `search`, `hold`, `payment`, `sign_in`.
    pub class: String,
    /// How many operations.
    pub operations: i64,
}

/// Groups what is in the order of days.
fn days(usage: Vec<Usage>) -> Vec<ApiKeyUsage> {
    let mut days: Vec<(NaiveDate, ApiKeyUsage)> = Vec::new();
    for Usage { day, class, operations, .. } in usage {
        if days.last().is_none_or(|(last, _)| *last != day) {
            days.push((day, ApiKeyUsage { day: Date(day), operations: 0, classes: Vec::new() }));
        }
        if let Some((_, today)) = days.last_mut() {
            today.operations += operations;
            today.classes.push(ApiKeyClassUsage { class, operations });
        }
    }
    days.into_iter().map(|(_, usage)| usage).collect()
}
