//! `Session`.

use async_graphql::Object;
use chrono::{DateTime, Utc};

use super::User;
use crate::app::Grant;

/// What keeps a device logged in.
pub struct Session(pub Grant);

/// What keeps a device logged in.
#[Object]
impl Session {
    /// Goes into the `Authorization` header after `Bearer `.
    async fn access_token(&self) -> &str {
        &self.0.access_token
    }

    /// When the access token ends. Refresh the session shortly before.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }

    /// Good for one `refreshSession`, which gives the next one. Refresh in one place only: a token
    /// that comes twice ends the session.
    async fn refresh_token(&self) -> &str {
        self.0.refresh_token.expose()
    }

    /// When the refresh token ends, and the session with it if it is not used.
    async fn refresh_expires_at(&self) -> DateTime<Utc> {
        self.0.refresh_expires_at
    }

    /// Whose session this is.
    async fn user(&self) -> User {
        User(self.0.account.clone())
    }
}
