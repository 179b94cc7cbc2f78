//! Accounts.

use chrono::{DateTime, Utc};
use events::user::UserSnapshot;
use graphql_kit::Role;
use kernel::UserId;

use super::{Email, Locale, Name, TimeZone};

/// What a person may change about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What the person is called.
    pub name: Name,
    /// The language to address them in.
    pub locale: Locale,
    /// The zone to show times in that belong to no place.
    pub time_zone: Option<TimeZone>,
}

/// A person who can log in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's id.
    pub id: UserId,
    /// Unique among all accounts.
    pub email: Email,
    /// Name, language, time zone.
    pub profile: Profile,
    /// What the account may do; never empty.
    pub roles: Vec<Role>,
    /// Rises by one with every change that [`Account::snapshot`] shows.
    pub revision: i64,
    /// When the person signed up.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// What other services learn of this account.
    pub fn snapshot(&self) -> UserSnapshot {
        UserSnapshot {
            user_id: self.id,
            revision: self.revision,
            email: self.email.as_str().to_owned(),
            name: self.profile.name.as_str().to_owned(),
            locale: self.profile.locale.as_str().to_owned(),
            time_zone: self.profile.time_zone.as_ref().map(|zone| zone.as_str().to_owned()),
        }
    }
}
