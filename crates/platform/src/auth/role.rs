//! What accounts may do.

use serde::{Deserialize, Serialize};

/// What an account may do, beyond what everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// The scope that persons with this role have, as `@requiresScopes` names it.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Customer => "role:customer",
            Self::Staff => "role:staff",
            Self::Manager => "role:manager",
            Self::Admin => "role:admin",
            Self::Partner => "role:partner",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_and_its_scope_have_the_same_name() {
        for role in Role::ALL {
            assert_eq!(role.scope(), format!("role:{}", role.as_str().to_lowercase()));
            assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
        }
    }
}
