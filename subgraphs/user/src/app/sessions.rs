//! Opening sessions and granting tokens.

use chrono::{DateTime, TimeDelta, Utc};
use graphql_kit::{Claims, Identity};
use kernel::{Id, SessionId};
use sea_orm::ConnectionTrait;
use uuid::fmt::Simple;

use super::{App, Fault};
use crate::{
    domain::{Account, EndReason, RefreshToken, Session},
    store::{account, refresh_token, session},
};

/// What a person holds after a log-in or a refresh.
#[derive(Debug)]
pub struct Grant {
    /// Proves who is calling, to every subgraph.
    pub access_token: String,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// Good for one refresh.
    pub refresh_token: RefreshToken,
    /// When the refresh token ends.
    pub refresh_expires_at: DateTime<Utc>,
    /// Whose session this is.
    pub account: Account,
}

impl App {
    /// Opens a session for `account` within the caller's transaction.
    pub(super) async fn open_session<C: ConnectionTrait>(
        &self,
        conn: &C,
        account: Account,
        now: DateTime<Utc>,
    ) -> Result<Grant, Fault> {
        let opened = Session {
            id: Id::from_uuid(self.ids.uuid()),
            user_id: account.id,
            expires_at: now + TimeDelta::seconds(self.config.session_ttl_seconds.into()),
            ended: false,
        };
        session::session_insert(conn, &opened, now).await?;
        self.grant(conn, account, &opened, now).await
    }

    /// Gives the next pair of tokens for a live session within the caller's transaction.
    pub(super) async fn grant<C: ConnectionTrait>(
        &self,
        conn: &C,
        account: Account,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<Grant, Fault> {
        let refresh_token = RefreshToken::generate(&*self.ids);
        let refresh_expires_at =
            session.expires_at.min(now + TimeDelta::seconds(self.config.refresh_token_ttl_seconds.into()));
        refresh_token::refresh_token_insert(conn, refresh_token.hash(), session.id, refresh_expires_at, now)
            .await?;

        let expires_at = now + TimeDelta::seconds(self.config.access_token_ttl_seconds.into());
        let access_token = self.keys.ring().sign(&Claims {
            sub: account.id,
            sid: session.id,
            roles: account.roles.clone(),
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            exp: expires_at.timestamp(),
            iat: now.timestamp(),
            jti: Simple::from_uuid(self.ids.uuid()).to_string(),
            scope: None,
            client_id: None,
            partner: None,
        })?;
        Ok(Grant { access_token, expires_at, refresh_token, refresh_expires_at, account })
    }

    /// The caller's account, locked until the transaction ends, if their session is still live
    /// and stays so for as long.
    ///
    /// Access tokens outlive their session by up to their own life. Reading may go on for that
    /// long, but whoever was logged out must not change the account.
    ///
    /// Locks are taken in the order account, session: whoever locks more than one session must
    /// hold the lock of the account first.
    pub(super) async fn lock_own_account<C: ConnectionTrait>(
        &self,
        conn: &C,
        caller: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Account, Fault> {
        let own = account::account_lock(conn, caller.user_id).await?;
        let session = session::session_lock(conn, caller.session_id).await?;
        session
            .filter(|session| session.user_id == caller.user_id && session.is_live(now))
            .and(own)
            .ok_or(Fault::SessionEnded)
    }
}

/// One log line and one count for every session that ends before its time.
pub(super) fn note_ended(sessions: u64, id: Option<SessionId>, reason: EndReason) {
    if sessions > 0 {
        tracing::info!(sessions, session = ?id, reason = reason.as_str(), "sessions ended");
        metrics::counter!("user_sessions_ended_total", "reason" => reason.as_str()).increment(sessions);
    }
}
