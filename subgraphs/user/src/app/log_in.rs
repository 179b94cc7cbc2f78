//! Logging in.

use sea_orm::TransactionTrait as _;
use secrecy::SecretString;

use super::{App, Failure, Grant, Refusal, passwords::Verdict};
use crate::{
    domain::{Attempts, Email, Password},
    store::{
        account::{self, Credentials},
        attempt,
    },
};

/// What a person fills in to log in.
#[derive(Debug)]
pub struct LogIn {
    /// The account's address, in any spelling.
    pub email: String,
    /// The account's password.
    pub password: SecretString,
}

const PASSWORD: &str = "password";

impl App {
    /// Opens a session for the owner of an account.
    ///
    /// An unknown address and a wrong password are answered alike, after the same work.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if the address is none, [`Refusal::TooManyAttempts`],
    /// [`Refusal::InvalidCredentials`]; [`Fault`](super::Fault).
    pub async fn log_in(&self, input: LogIn) -> Result<Grant, Failure> {
        let outcome = self.try_log_in(input).await;
        let label = match &outcome {
            Ok(_) => "success",
            Err(Failure::Refused(refusals)) => match refusals.first() {
                Some(Refusal::TooManyAttempts { .. }) => "throttled",
                _ => "refused",
            },
            Err(Failure::Fault(_)) => "fault",
        };
        metrics::counter!("user_log_ins_total", "outcome" => label).increment(1);
        outcome
    }

    async fn try_log_in(&self, input: LogIn) -> Result<Grant, Failure> {
        let email = Email::parse(&input.email).map_err(Refusal::Invalid)?;
        self.count_attempt(&email).await?;
        let found = account::credentials_by_email(&self.pg, &email).await?;
        let stored = found.as_ref().map(|found| found.password_hash.as_str());
        let verdict = self.passwords.verify(Password::claimed(&input.password), stored).await?;
        let (Some(Credentials { account: owner, password_hash }), Verdict::Right { rehashed }) =
            (found, verdict)
        else {
            return Err(Refusal::InvalidCredentials { field: PASSWORD }.into());
        };

        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        // The password may have been changed, and all sessions ended, while it was checked: this
        // one must not slip through. The lock also keeps the roles in the token up to date.
        let owner = account::account_lock_with_hash(&txn, owner.id, &password_hash)
            .await?
            .ok_or(Refusal::InvalidCredentials { field: PASSWORD })?;
        attempt::attempt_delete(&txn, &email).await?;
        if let Some(rehashed) = rehashed {
            account::account_replace_password_hash(&txn, owner.id, &password_hash, &rehashed, now).await?;
        }
        let grant = self.open_session(&txn, owner, now).await?;
        txn.commit().await?;
        Ok(grant)
    }

    /// Counts an attempt with `email` before its password is looked at; a right one is forgotten
    /// afterwards.
    pub(super) async fn count_attempt(&self, email: &Email) -> Result<(), Failure> {
        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        let attempts = attempt::attempt_lock(&txn, email, &Attempts::none(now)).await?;
        let counted = attempts.attempt(now, &self.config.throttle)?;
        attempt::attempt_update(&txn, email, &counted).await?;
        txn.commit().await?;
        Ok(())
    }
}
