//! Logging out.

use graphql_kit::Identity;
use sea_orm::TransactionTrait as _;
use secrecy::SecretString;

use super::{App, Failure, Refusal, sessions::note_ended};
use crate::{
    domain::{EndReason, RefreshToken},
    store::{refresh_token, session},
};

/// Which session to end.
#[derive(Debug)]
pub enum LogOut {
    /// The one that a refresh token belongs to, for devices whose access token has expired.
    /// Used tokens do as well: ending a session is the safe side.
    ByToken(SecretString),
    /// The caller's own.
    Own(Identity),
}

/// Which sessions to end.
#[derive(Debug)]
pub struct LogOutEverywhere {
    /// Stay logged in on this device.
    pub keep_this_session: bool,
}

impl App {
    /// Ends one session. Ending it again is no error.
    ///
    /// # Errors
    /// [`Refusal::InvalidRefreshToken`]; [`Fault`](super::Fault).
    pub async fn log_out(&self, input: LogOut) -> Result<(), Failure> {
        let id = match input {
            LogOut::Own(caller) => caller.session_id,
            LogOut::ByToken(text) => {
                let token = RefreshToken::parse(text).ok_or(Refusal::InvalidRefreshToken)?;
                refresh_token::session_by_token(&self.pg, token.hash())
                    .await?
                    .ok_or(Refusal::InvalidRefreshToken)?
            }
        };
        let ended = session::session_end(&self.pg, id, EndReason::LogOut, self.clock.now()).await?;
        note_ended(ended.into(), Some(id), EndReason::LogOut);
        Ok(())
    }

    /// Ends every session of the caller, and tells how many.
    ///
    /// # Errors
    /// [`Fault`](super::Fault).
    pub async fn log_out_everywhere(
        &self,
        caller: &Identity,
        input: LogOutEverywhere,
    ) -> Result<u64, Failure> {
        let now = self.clock.now();
        let keep = input.keep_this_session.then_some(caller.session_id);
        let txn = self.pg.begin().await?;
        self.lock_own_account(&txn, caller, now).await?;
        let ended =
            session::session_end_all(&txn, caller.user_id, keep, EndReason::LogOutEverywhere, now).await?;
        txn.commit().await?;
        note_ended(ended, None, EndReason::LogOutEverywhere);
        Ok(ended)
    }
}
