//! Changing a password.

use graphql_kit::Identity;
use sea_orm::TransactionTrait as _;
use secrecy::SecretString;

use super::{App, Failure, Fault, Refusal, passwords::Verdict, sessions::note_ended};
use crate::{
    domain::{Account, EndReason, Password},
    store::{
        account::{self, Credentials},
        attempt, session,
    },
};

/// The old and the new password.
#[derive(Debug)]
pub struct ChangePassword {
    /// Proves that it is the owner who sits at this device.
    pub current_password: SecretString,
    /// What to log in with from now on.
    pub new_password: SecretString,
}

const CURRENT: &str = "currentPassword";
const NEW: &str = "newPassword";

impl App {
    /// Changes the caller's password and ends all their other sessions. Guesses at the current
    /// password count like attempts to log in.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if the new password is weak, [`Refusal::TooManyAttempts`],
    /// [`Refusal::InvalidCredentials`]; [`Fault`].
    pub async fn change_password(
        &self,
        caller: &Identity,
        input: ChangePassword,
    ) -> Result<Account, Failure> {
        let Credentials { account: owner, password_hash } =
            account::credentials_by_id(&self.pg, caller.user_id).await?.ok_or(Fault::SessionEnded)?;
        let new = Password::chosen(&input.new_password, Some(&owner.email), NEW).map_err(Refusal::Invalid)?;
        self.count_attempt(&owner.email).await?;
        let verdict =
            self.passwords.verify(Password::claimed(&input.current_password), Some(&password_hash)).await?;
        if verdict == Verdict::Wrong {
            return Err(Refusal::InvalidCredentials { field: CURRENT }.into());
        }
        let new_hash = self.passwords.hash(new).await?;

        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        self.lock_own_account(&txn, caller, now).await?;
        let replaced =
            account::account_replace_password_hash(&txn, owner.id, &password_hash, &new_hash, now).await?;
        if !replaced {
            // Another request changed it in the meantime: what was proven is not current.
            return Err(Refusal::InvalidCredentials { field: CURRENT }.into());
        }
        let reason = EndReason::PasswordChanged;
        let keep = Some(caller.session_id);
        let ended = session::session_end_all(&txn, owner.id, keep, reason, now).await?;
        attempt::attempt_delete(&txn, &owner.email).await?;
        txn.commit().await?;
        note_ended(ended, None, reason);
        Ok(owner)
    }
}
