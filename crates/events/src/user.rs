//! What the user subgraph tells of accounts.

use kernel::UserId;
use serde::{Deserialize, Serialize};

/// All that others may know of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSnapshot {
    /// The account.
    pub user_id: UserId,
    /// Grows with each change: readers ignore what is not newer than what they have.
    pub revision: i64,
    /// Where mail goes.
    pub email: String,
    /// How to address the person.
    pub name: String,
    /// BCP 47 tag of the language for messages.
    pub locale: String,
    /// IANA name of the person's time zone, when known.
    pub time_zone: Option<String>,
}

/// `user.registered`: a new account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserRegistered(pub UserSnapshot);

/// `user.changed`: an account is different now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserChanged(pub UserSnapshot);

crate::events! {
    UserRegistered "user.registered" v 1 by |e| e.0.user_id.uuid();
    UserChanged "user.changed" v 1 by |e| e.0.user_id.uuid();
}
