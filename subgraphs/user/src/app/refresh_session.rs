//! Refreshing a session.

use sea_orm::TransactionTrait as _;
use secrecy::SecretString;

use super::{App, Failure, Grant, Refusal, sessions::note_ended};
use crate::{
    domain::{EndReason, RefreshToken},
    store::{
        account,
        refresh_token::{self, Use},
        session,
    },
};

/// What a device presents to stay logged in.
#[derive(Debug)]
pub struct RefreshSession {
    /// The newest token of the session.
    pub refresh_token: SecretString,
}

impl App {
    /// Trades a refresh token for a new pair of tokens. A token that was traded before ends its
    /// session: see [`crate::domain::session`].
    ///
    /// # Errors
    /// [`Refusal::InvalidRefreshToken`], [`Refusal::SessionExpired`],
    /// [`Refusal::SessionRevoked`]; [`Fault`](super::Fault).
    pub async fn refresh_session(&self, input: RefreshSession) -> Result<Grant, Failure> {
        let token = RefreshToken::parse(input.refresh_token).ok_or(Refusal::InvalidRefreshToken)?;
        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        let (session_id, token_expires_at) =
            match refresh_token::refresh_token_use(&txn, token.hash(), now).await? {
                Use::First { session_id, expires_at } => (session_id, expires_at),
                Use::Again { session_id } => {
                    let ended = session::session_end(&txn, session_id, EndReason::TokenReused, now).await?;
                    txn.commit().await?;
                    note_ended(ended.into(), Some(session_id), EndReason::TokenReused);
                    return Err(Refusal::SessionRevoked.into());
                }
                Use::Unknown => return Err(Refusal::InvalidRefreshToken.into()),
            };

        let session = session::session_lock(&txn, session_id).await?.ok_or(Refusal::InvalidRefreshToken)?;
        if session.ended {
            return Err(Refusal::SessionRevoked.into());
        }
        if now >= token_expires_at || !session.is_live(now) {
            return Err(Refusal::SessionExpired.into());
        }
        // Read anew: the roles may have changed since the last token.
        let owner =
            account::account_by_id(&txn, session.user_id).await?.ok_or(Refusal::InvalidRefreshToken)?;
        let grant = self.grant(&txn, owner, &session, now).await?;
        txn.commit().await?;
        Ok(grant)
    }
}
