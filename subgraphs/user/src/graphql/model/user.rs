//! `User`.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use graphql_kit::{AssumedSize, RoleName};

use crate::domain::Account;

/// A person with an account. Only the person and administrators can see one.
pub struct User(pub Account);

/// A person with an account. Only the person and administrators can see one.
#[Object]
impl User {
    /// Opaque, starts with `user_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Where mail reaches the person; unique among all accounts.
    async fn email(&self) -> &str {
        self.0.email.as_str()
    }

    /// What the person is called.
    async fn name(&self) -> &str {
        self.0.profile.name.as_str()
    }

    /// The language to address the person in, as a BCP 47 tag: `en`, `pt-BR`.
    async fn locale(&self) -> &str {
        self.0.profile.locale.as_str()
    }

    /// The person's time zone, by its IANA name. Times of shows are those of the theater.
    async fn time_zone(&self) -> Option<&str> {
        self.0.profile.time_zone.as_ref().map(|zone| zone.as_str())
    }

    /// What the account may do.
    #[graphql(directive = AssumedSize::apply(5))]
    async fn roles(&self) -> Vec<RoleName> {
        self.0.roles.iter().map(|&role| role.into()).collect()
    }

    /// When the person signed up.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}
