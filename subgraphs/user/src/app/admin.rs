//! What operators do at the command line, beside any session.

use graphql_kit::Role;
use kernel::{Id, SharedClock, SharedIds};
use platform::{Deps, outbox};
use sea_orm::{DatabaseConnection, TransactionTrait as _};
use secrecy::SecretString;

use super::{Failure, Fault, PasswordFault, Refusal, passwords::Passwords, sessions::note_ended, sign_up};
use crate::{
    ApiKeyConfig, Config,
    domain::{Account, Email, EndReason, Invalid, Locale, Name, Password, Profile, invalid::Report},
    store::{self, account, session},
};

/// Creates accounts, hands out roles and API keys. Needs no signing key.
pub struct Operator {
    pub(super) pg: DatabaseConnection,
    pub(super) clock: SharedClock,
    pub(super) ids: SharedIds,
    pub(super) api_keys: ApiKeyConfig,
    passwords: Passwords,
    locale: Locale,
}

/// An account to create.
#[derive(Debug)]
pub struct NewAccount {
    /// Where mail reaches the person.
    pub email: String,
    /// What they will log in with; the usual rules apply.
    pub password: SecretString,
    /// What they are called.
    pub name: String,
    /// What they may do; not empty.
    pub roles: Vec<Role>,
}

/// An account could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// Fields that break a rule.
    #[error("the account is not valid: {}", list(.0))]
    Invalid(Vec<Invalid>),
    /// The address belongs to another account.
    #[error("an account with this email address exists")]
    EmailTaken,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The roles of an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The text is no address.
    #[error("{}", .0.message)]
    Email(Invalid),
    /// No account has the address.
    #[error("no account has this email address")]
    NotFound,
    /// An account has at least one role.
    #[error("this is the account's only role: grant another one first")]
    OnlyRole,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sea_orm::DbErr> for RoleError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Failure> for CreateAccountError {
    fn from(failure: Failure) -> Self {
        let refusals = match failure {
            Failure::Fault(fault) => return fault.into(),
            Failure::Refused(refusals) => refusals,
        };
        if refusals.contains(&Refusal::EmailTaken) {
            return Self::EmailTaken;
        }
        let invalid = refusals.into_iter().filter_map(|refusal| match refusal {
            Refusal::Invalid(invalid) => Some(invalid),
            _ => None,
        });
        Self::Invalid(invalid.collect())
    }
}

pub(super) fn list(invalid: &[Invalid]) -> String {
    let each = invalid.iter().map(|i| format!("{}: {}", i.field, i.message));
    each.collect::<Vec<_>>().join("; ")
}

impl Operator {
    /// An operator over `deps`; `config` decides the cost of password hashes and the language.
    ///
    /// # Errors
    /// The password costs are out of range.
    pub fn new(config: &Config, deps: &Deps) -> Result<Self, PasswordFault> {
        Ok(Self {
            pg: deps.pg.clone(),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            api_keys: config.api_keys,
            passwords: Passwords::new(&config.password, deps.ids.clone())?,
            locale: Locale::parse(&config.default_locale).unwrap_or_default(),
        })
    }

    /// Creates an account with any roles.
    ///
    /// # Errors
    /// [`CreateAccountError`]; nothing was changed.
    pub async fn create_account(&self, new: NewAccount) -> Result<Account, CreateAccountError> {
        let mut report = Report::default();
        let email = report.accept(Email::parse(&new.email));
        let name = report.accept(Name::parse(&new.name));
        let password = report.accept(Password::chosen(&new.password, email.as_ref(), "password"));
        let roles = report.accept(distinct(new.roles));
        let (Some(email), Some(name), Some(password), Some(roles)) = (email, name, password, roles) else {
            return Err(CreateAccountError::Invalid(report.into_refusals()));
        };
        let password_hash = self.passwords.hash(password).await.map_err(Fault::from)?;
        let created = Account {
            id: Id::from_uuid(self.ids.uuid()),
            email,
            profile: Profile { name, locale: self.locale.clone(), time_zone: None },
            roles,
            revision: 1,
            created_at: self.clock.now(),
        };
        self.insert(&created, password_hash).await?;
        Ok(created)
    }

    async fn insert(&self, created: &Account, password_hash: String) -> Result<(), Failure> {
        let txn = self.pg.begin().await?;
        sign_up::insert(&txn, &*self.ids, created, password_hash, created.created_at).await?;
        txn.commit().await?;
        outbox::wake(store::SCHEMA);
        Ok(())
    }

    /// Lets the account with this address do what `role` may, from its next refresh or log-in on.
    /// False if it could already.
    ///
    /// # Errors
    /// [`RoleError`]; nothing was changed.
    pub async fn grant_role(&self, email: &str, role: Role) -> Result<bool, RoleError> {
        let email = Email::parse(email).map_err(RoleError::Email)?;
        let txn = self.pg.begin().await?;
        let mut found = account::account_lock_by_email(&txn, &email).await?.ok_or(RoleError::NotFound)?;
        if found.roles.contains(&role) {
            return Ok(false);
        }
        found.roles.push(role);
        account::account_update_roles(&txn, found.id, &found.roles, self.clock.now()).await?;
        txn.commit().await?;
        tracing::info!(user = %found.id, role = role.as_str(), "role granted");
        Ok(true)
    }

    /// Takes `role` from the account with this address and ends its sessions, so that the role is
    /// gone once the access tokens made so far have expired. False if it had no such role.
    ///
    /// # Errors
    /// [`RoleError`]; nothing was changed.
    pub async fn revoke_role(&self, email: &str, role: Role) -> Result<bool, RoleError> {
        let email = Email::parse(email).map_err(RoleError::Email)?;
        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        let mut found = account::account_lock_by_email(&txn, &email).await?.ok_or(RoleError::NotFound)?;
        if !found.roles.contains(&role) {
            return Ok(false);
        }
        found.roles.retain(|&kept| kept != role);
        if found.roles.is_empty() {
            return Err(RoleError::OnlyRole);
        }
        account::account_update_roles(&txn, found.id, &found.roles, now).await?;
        let reason = EndReason::Operator;
        let ended = session::session_end_all(&txn, found.id, None, reason, now).await?;
        txn.commit().await?;
        tracing::info!(user = %found.id, role = role.as_str(), "role revoked");
        note_ended(ended, None, reason);
        Ok(true)
    }
}

fn distinct(mut roles: Vec<Role>) -> Result<Vec<Role>, Invalid> {
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(Invalid::new("roles", "give at least one role"));
    }
    Ok(roles)
}
