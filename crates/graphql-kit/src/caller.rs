//! Who is calling.

use async_graphql::{Context, Enum};
use kernel::{ErrorCode, SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::{auth::TokenError, error::ApiError};

/// What an account may do, beyond what everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Buys tickets.
    Customer,
    /// Works at the box office.
    Staff,
    /// Runs theaters: schedules, prices, cancels.
    Manager,
    /// Runs the platform.
    Admin,
    /// Sells for us.
    Partner,
}

impl Role {
    /// The name, as in tokens, databases and the schema.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Staff => "STAFF",
            Self::Manager => "MANAGER",
            Self::Admin => "ADMIN",
            Self::Partner => "PARTNER",
        }
    }

    /// Every role.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Staff, Self::Manager, Self::Admin, Self::Partner];
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownRole)
    }
}

/// The text names no [`Role`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a role: use customer, staff, manager, admin or partner")]
pub struct UnknownRole;

/// A caller whose access token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub user_id: UserId,
    /// The log-in that the token came from.
    pub session_id: SessionId,
    /// What the account could do when the token was made.
    pub roles: Vec<Role>,
}

impl Identity {
    /// Whether the account has one of `roles`.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
}

/// Who sent a request, as this subgraph found out by itself.
#[derive(Debug, Clone)]
pub enum Caller {
    /// No token came.
    Anonymous,
    /// A token came that proves nothing: public fields work, all else says why.
    Rejected(TokenError),
    /// A valid token came.
    User(Identity),
}

impl Caller {
    /// The verified identity, if there is one.
    pub const fn user(&self) -> Option<&Identity> {
        match self {
            Self::User(identity) => Some(identity),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }
}

/// The caller of the request that `ctx` belongs to.
pub fn caller<'c>(ctx: &Context<'c>) -> &'c Caller {
    ctx.data_opt().unwrap_or(&Caller::Anonymous)
}

/// The verified identity of the caller.
///
/// # Errors
/// `UNAUTHENTICATED`, with what to do about it; `UNAVAILABLE` when the keys to verify with could
/// not be had.
pub fn require_user<'c>(ctx: &Context<'c>) -> Result<&'c Identity, ApiError> {
    match caller(ctx) {
        Caller::User(identity) => Ok(identity),
        Caller::Anonymous => Err(ApiError::new(
            ErrorCode::Unauthenticated,
            "log in first: this needs an access token in the Authorization header",
        )),
        Caller::Rejected(error) => Err(ApiError::new(error.code(), error.to_string())),
    }
}
