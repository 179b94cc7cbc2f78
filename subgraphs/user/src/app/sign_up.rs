//! Signing up.

use chrono::{DateTime, Utc};
use events::{Envelope, user::UserRegistered};
use graphql_kit::Role;
use kernel::{Id, IdSource};
use platform::outbox;
use sea_orm::{ConnectionTrait, TransactionTrait as _};
use secrecy::SecretString;

use super::{App, Failure, Fault, Grant, Refusal};
use crate::{
    domain::{Account, Email, Locale, Name, Password, Profile, TimeZone, invalid::Report},
    store::{self, account},
};

/// What a person fills in to sign up.
#[derive(Debug)]
pub struct SignUp {
    /// Where mail reaches them.
    pub email: String,
    /// What they will log in with.
    pub password: SecretString,
    /// What they are called.
    pub name: String,
    /// Their language, when they chose one.
    pub locale: Option<String>,
    /// Their time zone, when known.
    pub time_zone: Option<String>,
}

/// A sign-up in which every field is right.
struct Checked {
    email: Email,
    password: Password,
    profile: Profile,
}

impl App {
    /// Creates a customer's account and logs it in.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for each wrong field, [`Refusal::EmailTaken`]; [`Fault`].
    pub async fn sign_up(&self, input: SignUp) -> Result<Grant, Failure> {
        let Checked { email, password, profile } = self.check(&input)?;
        // Asked before the hash, which is dear; the constraint has the last word.
        if account::account_exists(&self.pg, &email).await? {
            return Err(Refusal::EmailTaken.into());
        }
        let password_hash = self.passwords.hash(password).await?;

        let now = self.clock.now();
        let created = Account {
            id: Id::from_uuid(self.ids.uuid()),
            email,
            profile,
            roles: vec![Role::Customer],
            revision: 1,
            created_at: now,
        };
        let txn = self.pg.begin().await?;
        insert(&txn, &*self.ids, &created, password_hash, now).await?;
        let grant = self.open_session(&txn, created, now).await?;
        txn.commit().await?;

        outbox::wake(store::SCHEMA);
        metrics::counter!("user_sign_ups_total").increment(1);
        Ok(grant)
    }

    fn check(&self, input: &SignUp) -> Result<Checked, Failure> {
        let mut report = Report::default();
        let email = report.accept(Email::parse(&input.email));
        let password = report.accept(Password::chosen(&input.password, email.as_ref(), "password"));
        let name = report.accept(Name::parse(&input.name));
        let locale = input.locale.as_deref().unwrap_or(&self.config.default_locale);
        let locale = report.accept(Locale::parse(locale));
        let time_zone = report.accept_optional(input.time_zone.as_deref().map(TimeZone::parse));
        match (email, password, name, locale) {
            (Some(email), Some(password), Some(name), Some(locale)) => {
                report.finish()?;
                Ok(Checked { email, password, profile: Profile { name, locale, time_zone } })
            }
            _ => Err(report.into_refusals().into()),
        }
    }
}

/// Inserts an account and tells of it, in the caller's transaction.
pub(super) async fn insert<C: ConnectionTrait>(
    conn: &C,
    ids: &dyn IdSource,
    created: &Account,
    password_hash: String,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    account::account_insert(conn, created, password_hash)
        .await?
        .map_err(|account::EmailTaken| Refusal::EmailTaken)?;
    let event = Envelope::new(Id::from_uuid(ids.uuid()), now, &UserRegistered(created.snapshot()))
        .map_err(Fault::from)?;
    outbox::append(conn, store::SCHEMA, &event).await?;
    Ok(())
}
