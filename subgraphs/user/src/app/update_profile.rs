//! Changing a profile.

use events::{Envelope, user::UserChanged};
use graphql_kit::Identity;
use kernel::Id;
use platform::outbox;
use sea_orm::TransactionTrait as _;

use super::{App, Failure};
use crate::{
    domain::{Account, Locale, Name, TimeZone, invalid::Report},
    store::{self, account},
};

/// What to do with a field that can be empty.
#[derive(Debug)]
pub enum Change<T> {
    /// Leave it.
    Keep,
    /// Empty it.
    Clear,
    /// Fill it.
    Set(T),
}

/// The fields to change; the others stay.
#[derive(Debug)]
pub struct UpdateProfile {
    /// What the person is called.
    pub name: Option<String>,
    /// Their language.
    pub locale: Option<String>,
    /// Their time zone.
    pub time_zone: Change<String>,
}

impl App {
    /// Changes the caller's profile. Nothing is written or told when nothing is different.
    ///
    /// # Errors
    /// [`Refusal::Invalid`](super::Refusal) for each wrong field; [`Fault`](super::Fault).
    pub async fn update_profile(&self, caller: &Identity, input: UpdateProfile) -> Result<Account, Failure> {
        let mut report = Report::default();
        let name = report.accept_optional(input.name.as_deref().map(Name::parse));
        let locale = report.accept_optional(input.locale.as_deref().map(Locale::parse));
        let time_zone = match &input.time_zone {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(text) => report.accept(TimeZone::parse(text)).map_or(Change::Keep, Change::Set),
        };
        report.finish()?;

        let now = self.clock.now();
        let txn = self.pg.begin().await?;
        let mut changed = self.lock_own_account(&txn, caller, now).await?;
        let before = changed.profile.clone();
        changed.profile.name = name.unwrap_or(changed.profile.name);
        changed.profile.locale = locale.unwrap_or(changed.profile.locale);
        changed.profile.time_zone = match time_zone {
            Change::Keep => changed.profile.time_zone,
            Change::Clear => None,
            Change::Set(zone) => Some(zone),
        };
        if changed.profile == before {
            return Ok(changed);
        }
        changed.revision += 1;
        account::account_update_profile(&txn, &changed, now).await?;
        let event = Envelope::new(Id::from_uuid(self.ids.uuid()), now, &UserChanged(changed.snapshot()))?;
        outbox::append(&txn, store::SCHEMA, &event).await?;
        txn.commit().await?;
        outbox::wake(store::SCHEMA);
        Ok(changed)
    }
}
