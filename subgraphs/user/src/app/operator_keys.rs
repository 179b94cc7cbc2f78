//! API keys at the command line.

use std::collections::HashMap;

use kernel::{ApiKeyId, UserId};
use sea_orm::TransactionTrait as _;

use super::{
    CreateApiKey, CreatedApiKey, Failure, Fault, Operator, Refusal,
    admin::list,
    api_keys::{create, note_created, revoke},
};
use crate::{
    domain::{Account, ApiKey, AskedTerms, Email, Invalid},
    store::{account, api_key},
};

/// An operator's wish about API keys was not fulfilled; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Fields that break a rule.
    #[error("the key is not valid: {}", list(.0))]
    Invalid(Vec<Invalid>),
    /// No account has the address.
    #[error("no account has this email address")]
    NoSuchAccount,
    /// Keys are for partners.
    #[error("the account is no partner's: grant it the role partner first")]
    NotAPartner,
    /// The account has as many good keys as it can have.
    #[error("the account has {0} keys already: revoke one first")]
    TooMany(u32),
    /// No key has the id.
    #[error("there is no such key")]
    NoSuchKey,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sea_orm::DbErr> for ApiKeyError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Failure> for ApiKeyError {
    fn from(failure: Failure) -> Self {
        let refusals = match failure {
            Failure::Fault(fault) => return fault.into(),
            Failure::Refused(refusals) => refusals,
        };
        let mut invalid = Vec::new();
        for refusal in refusals {
            match refusal {
                Refusal::NoSuchAccount => return Self::NoSuchAccount,
                Refusal::NotAPartner => return Self::NotAPartner,
                Refusal::TooManyKeys { most } => return Self::TooMany(most),
                Refusal::NoSuchKey => return Self::NoSuchKey,
                Refusal::Invalid(field) => invalid.push(field),
                // Nothing here logs in.
                _ => {}
            }
        }
        Self::Invalid(invalid)
    }
}

impl Operator {
    /// Makes a key for the partner with this address.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn create_api_key(&self, email: &str, terms: AskedTerms) -> Result<CreatedApiKey, ApiKeyError> {
        let owner = self.account(email).await?;
        let txn = self.pg.begin().await?;
        let input = CreateApiKey { account: owner.id, terms };
        let created = create(&txn, &*self.ids, &self.api_keys, input, None, self.clock.now()).await?;
        txn.commit().await?;
        note_created(&created.key);
        Ok(created)
    }

    /// The newest `limit` keys, of everybody or of the account with this address, each with its
    /// account.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn list_api_keys(
        &self,
        email: Option<&str>,
        limit: u64,
    ) -> Result<Vec<(ApiKey, Account)>, ApiKeyError> {
        let of = match email {
            Some(email) => Some(self.account(email).await?.id),
            None => None,
        };
        let keys = api_key::api_key_list(&self.pg, of, None, limit).await?;
        let ids: Vec<UserId> = keys.iter().map(|key| key.account).collect();
        let owners = account::account_list_by_ids(&self.pg, &ids).await?;
        let owners: HashMap<_, _> = owners.into_iter().map(|owner| (owner.id, owner)).collect();
        let with_owner = |key: ApiKey| owners.get(&key.account).cloned().map(|owner| (key, owner));
        Ok(keys.into_iter().filter_map(with_owner).collect())
    }

    /// Makes a key void. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub async fn revoke_api_key(&self, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
        Ok(revoke(&self.pg, id, None, self.clock.now()).await?)
    }

    async fn account(&self, email: &str) -> Result<Account, ApiKeyError> {
        let email = Email::parse(email).map_err(|invalid| ApiKeyError::Invalid(vec![invalid]))?;
        let found = account::credentials_by_email(&self.pg, &email).await?;
        Ok(found.ok_or(ApiKeyError::NoSuchAccount)?.account)
    }
}
