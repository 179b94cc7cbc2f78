//! Making, showing and revoking the keys of partners' programs.

use std::{collections::HashMap, hash::Hash};

use chrono::{DateTime, Utc};
use graphql_kit::{Identity, Role};
use kernel::{ApiKeyId, Id, IdSource, UserId};
use sea_orm::{ConnectionTrait, TransactionTrait as _};
use secrecy::SecretString;

use super::{App, Failure, Fault, Refusal};
use crate::{
    config::ApiKeyConfig,
    domain::{ApiKey, AskedTerms, KeyStatus, KeyText, Period, Usage},
    store::{account, api_key, api_key_usage},
};

/// A key to make.
#[derive(Debug)]
pub struct CreateApiKey {
    /// For this account.
    pub account: UserId,
    /// What it may do.
    pub terms: AskedTerms,
}

/// A key that has just been made.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key as we know it.
    pub key: ApiKey,
    /// The key as its holder needs it. It cannot be had again.
    pub text: SecretString,
}

/// Some of the keys that a caller may see.
#[derive(Debug)]
pub struct ApiKeyPage {
    /// Newest first.
    pub keys: Vec<ApiKey>,
    /// How many there are in all.
    pub total: i64,
}

const ADMINS: Fault = Fault::Forbidden("only administrators can do this");

impl App {
    /// Makes a key for a partner's account. Administrators only.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::NoSuchAccount`], [`Refusal::NotAPartner`],
    /// [`Refusal::TooManyKeys`]; [`Fault`].
    pub async fn create_api_key(
        &self,
        caller: &Identity,
        input: CreateApiKey,
    ) -> Result<CreatedApiKey, Failure> {
        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        // What an administrator may do ends with the role, not with the token that still says so.
        let admin = self.lock_own_account(&txn, caller, now).await?;
        if !admin.roles.contains(&Role::Admin) {
            return Err(ADMINS.into());
        }
        let created =
            create(&txn, &*self.ids, &self.config.api_keys, input, Some(caller.user_id), now).await?;
        txn.commit().await?;
        note_created(&created.key);
        Ok(created)
    }

    /// Makes a key void, now for new tokens, and once they have expired for those made with it.
    /// Doing it again changes nothing. Administrators only.
    ///
    /// # Errors
    /// [`Refusal::NoSuchKey`]; [`Fault`].
    pub async fn revoke_api_key(&self, caller: &Identity, id: ApiKeyId) -> Result<ApiKey, Failure> {
        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        let admin = self.lock_own_account(&txn, caller, now).await?;
        if !admin.roles.contains(&Role::Admin) {
            return Err(ADMINS.into());
        }
        let revoked = revoke(&txn, id, Some(caller.user_id), now).await?;
        txn.commit().await?;
        Ok(revoked)
    }

    /// Keys, newest first, those before `before`: for administrators those of `account` or of
    /// everybody, for partners their own.
    ///
    /// # Errors
    /// [`Fault::Forbidden`], [`Fault::Db`].
    pub async fn api_keys(
        &self,
        caller: &Identity,
        account: Option<UserId>,
        before: Option<ApiKeyId>,
        limit: u64,
    ) -> Result<ApiKeyPage, Fault> {
        let account = match account {
            _ if caller.has_any(&[Role::Admin]) => account,
            None => Some(caller.user_id),
            Some(own) if own == caller.user_id => account,
            Some(_) => return Err(Fault::Forbidden("you can see your own keys only")),
        };
        if !caller.has_any(&[Role::Admin, Role::Partner]) {
            return Err(Fault::Forbidden("only partners and administrators have to do with API keys"));
        }
        let keys = api_key::api_key_list(&self.pg, account, before, limit).await?;
        let total = api_key::api_key_count(&self.pg, account).await?;
        Ok(ApiKeyPage { keys, total: i64::try_from(total).unwrap_or(i64::MAX) })
    }

    /// Whether `key` is good for something now.
    pub(crate) fn api_key_status(&self, key: &ApiKey) -> KeyStatus {
        key.status(self.clock.now())
    }

    /// What was done with keys, each in its period: by day and class. Ask for keys that the caller
    /// has seen by [`App::api_keys`] only.
    ///
    /// # Errors
    /// [`Fault::Db`].
    pub(crate) async fn api_key_usage(
        &self,
        asked: &[(ApiKeyId, Period)],
    ) -> Result<HashMap<(ApiKeyId, Period), Vec<Usage>>, Fault> {
        let mut found: HashMap<_, Vec<Usage>> = HashMap::new();
        for (period, keys) in grouped(asked.iter().map(|(key, period)| (*period, *key))) {
            for usage in api_key_usage::usage_list(&self.pg, &keys, period).await? {
                found.entry((usage.key, period)).or_default().push(usage);
            }
        }
        Ok(found)
    }
}

fn grouped<K: Hash + Eq, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// Makes a key within the caller's transaction.
pub(super) async fn create<C: ConnectionTrait>(
    conn: &C,
    ids: &dyn IdSource,
    config: &ApiKeyConfig,
    input: CreateApiKey,
    by: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<CreatedApiKey, Failure> {
    let terms = input.terms.check(now, config.longest())?;
    // The lock keeps the role, and lets keys be counted.
    let owner = account::account_lock(conn, input.account).await?.ok_or(Refusal::NoSuchAccount)?;
    if !owner.roles.contains(&Role::Partner) {
        return Err(Refusal::NotAPartner.into());
    }
    let active = api_key::api_key_count_active(conn, owner.id, now).await?;
    if active >= config.per_account.into() {
        return Err(Refusal::TooManyKeys { most: config.per_account }.into());
    }
    let text = KeyText::generate(Id::from_uuid(ids.uuid()), ids);
    let key = ApiKey {
        id: text.id,
        account: owner.id,
        terms,
        created_at: now,
        created_by: by,
        revoked_at: None,
        last_used_at: None,
    };
    api_key::api_key_insert(conn, &key, text.secret.hash()).await?;
    Ok(CreatedApiKey { key, text: text.expose() })
}

pub(super) fn note_created(key: &ApiKey) {
    tracing::info!(key = %key.id, account = %key.account, by = ?key.created_by, "API key created");
}

/// Makes a key void.
pub(super) async fn revoke<C: ConnectionTrait>(
    conn: &C,
    id: ApiKeyId,
    by: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<ApiKey, Failure> {
    if api_key::api_key_revoke(conn, id, by, now).await? {
        tracing::info!(key = %id, ?by, "API key revoked");
    }
    Ok(api_key::api_key_by_id(conn, id).await?.ok_or(Refusal::NoSuchKey)?)
}
