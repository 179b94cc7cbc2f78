//! Who is calling.

use std::collections::BTreeSet;

use kernel::{ApiKeyId, SessionId, UserId};

use super::{
    role::Role,
    scope::{ACCOUNT, Scope},
    verifier::TokenError,
};

/// A caller whose access token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub user_id: UserId,
    /// The log-in that the token came from. An API key has none: this is then the key's number,
    /// and no session has it.
    pub session_id: SessionId,
    /// What the account could do when the token was made; empty for an API key.
    pub roles: Vec<Role>,
    /// What the API key may do, when the token is not a person's.
    pub grant: Option<Grant>,
}

/// What an API key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: ApiKeyId,
    /// What for.
    pub scopes: BTreeSet<Scope>,
    /// How many operations in a minute.
    pub rate_per_minute: u32,
    /// How many operations in a day (UTC).
    pub daily_quota: u32,
    /// How many seats of one show, held and booked together.
    pub seats_per_show: u32,
}

impl Identity {
    /// A person.
    pub const fn person(user_id: UserId, session_id: SessionId, roles: Vec<Role>) -> Self {
        Self { user_id, session_id, roles, grant: None }
    }

    /// Whether this is a person, not an API key.
    pub const fn is_person(&self) -> bool {
        self.grant.is_none()
    }

    /// Whether the account has one of `roles`.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    /// Whether this is a person, or an API key that has `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.scopes.contains(&scope))
    }

    /// Whether the caller has the scope that `@requiresScopes` calls `name`.
    ///
    /// A person has `account`, every [`Scope`], and `role:…` for each role; an API key has what it
    /// was given.
    pub fn has_scope(&self, name: &str) -> bool {
        match &self.grant {
            Some(grant) => grant.scopes.iter().any(|scope| scope.as_str() == name),
            None => {
                name == ACCOUNT
                    || Scope::ALL.iter().any(|scope| scope.as_str() == name)
                    || self.roles.iter().any(|role| role.scope() == name)
            }
        }
    }
}

/// Who sent a request, as the role that got it found out by itself.
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

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    fn person(roles: Vec<Role>) -> Identity {
        Identity::person(Id::from_uuid(Uuid::nil()), Id::from_uuid(Uuid::nil()), roles)
    }

    #[test]
    fn a_person_has_every_scope_and_those_of_the_roles() {
        let manager = person(vec![Role::Customer, Role::Manager]);
        for scope in Scope::ALL {
            assert!(manager.has_scope(scope.as_str()) && manager.may(scope));
        }
        for (name, has) in [
            ("account", true),
            ("role:manager", true),
            ("role:customer", true),
            ("role:admin", false),
            ("role:MANAGER", false),
            ("", false),
        ] {
            assert_eq!(manager.has_scope(name), has, "{name}");
        }
    }

    #[test]
    fn a_key_has_what_it_was_given_and_nothing_else() {
        let grant = Grant {
            key: Id::from_uuid(Uuid::nil()),
            scopes: [Scope::CatalogRead].into(),
            rate_per_minute: 1,
            daily_quota: 1,
            seats_per_show: 1,
        };
        let key = Identity { grant: Some(grant), ..person(Vec::new()) };
        assert!(!key.is_person());
        assert!(key.may(Scope::CatalogRead) && key.has_scope("catalog:read"));
        assert!(!key.may(Scope::HoldsWrite) && !key.has_scope("holds:write"));
        assert!(!key.has_scope("account") && !key.has_scope("role:partner"));
    }
}
