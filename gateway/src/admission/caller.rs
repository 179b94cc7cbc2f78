//! Who asks, as far as the gateway can tell.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use kernel::error::ErrorCode;
use platform::auth::{ACCOUNT, Claims, Identity, Role, TokenError};

use super::limits::Subject;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// No credentials came, or the gateway looks at none.
    Stranger,
    /// What came proves nothing. Public fields work, all else says why.
    Rejected(TokenError),
    /// A valid token came, or was got for an API key.
    Known(Arc<Known>),
}

/// The holder of a valid token.
#[derive(Debug)]
pub(crate) struct Known {
    identity: Identity,
    claims: Arc<Claims>,
}

impl From<Arc<Claims>> for Caller {
    fn from(claims: Arc<Claims>) -> Self {
        Self::Known(Arc::new(Known { identity: claims.identity(), claims }))
    }
}

impl Caller {
    /// Whose tokens the caller's operations take.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Stranger | Self::Rejected(_) => Subject::Stranger,
            Self::Known(known) => match &known.identity.grant {
                Some(grant) => Subject::Key {
                    id: grant.key,
                    rate_per_minute: grant.rate_per_minute,
                    daily_quota: grant.daily_quota,
                },
                None => Subject::User(known.identity.user_id),
            },
        }
    }

    /// Seconds since 1970 from which on the token is void.
    pub(crate) fn expires_at(&self) -> Option<i64> {
        match self {
            Self::Known(known) => Some(known.claims.exp),
            Self::Stranger | Self::Rejected(_) => None,
        }
    }

    /// A number that differs for callers who may not share an answer. What a caller may see is in
    /// the token, and whether the token is good; the same token may be good for one request and
    /// expired for the next.
    pub(crate) fn partition(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Stranger => 0_u8.hash(&mut hasher),
            Self::Rejected(error) => (1_u8, error.to_string()).hash(&mut hasher),
            Self::Known(known) => {
                let claims = &known.claims;
                (2_u8, claims.sub, claims.client_id, &claims.jti, claims.exp).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Whether the caller has all of one of the lists of scopes. A person has every scope but the
    /// roles of others; an API key has what its token names.
    pub(crate) fn has_one_of(&self, lists: &[Vec<String>]) -> bool {
        let Self::Known(known) = self else { return false };
        lists.iter().any(|list| list.iter().all(|scope| known.identity.has_scope(scope)))
    }

    pub(crate) const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Whether it is a partner with an API key, or somebody of the house.
    pub(crate) fn is_trusted(&self) -> bool {
        let Self::Known(known) = self else { return false };
        let identity = &known.identity;
        identity.grant.is_some() || identity.roles.iter().any(|role| *role != Role::Customer)
    }

    /// What a caller is told who lacks one of these lists of scopes.
    pub(crate) fn lacks(&self, lists: &[Vec<String>]) -> (ErrorCode, String) {
        match self {
            Self::Stranger => (
                ErrorCode::Unauthenticated,
                "log in first: this needs an access token in the Authorization header".to_owned(),
            ),
            Self::Rejected(error) => (error.code(), error.to_string()),
            Self::Known(known) => {
                let lists: Vec<_> = lists.iter().map(|list| list.join(" and ")).collect();
                let needed = lists.join(" or ");
                let message = if known.identity.is_person() {
                    format!("your account may not do this: it needs {needed}")
                } else if needed == ACCOUNT {
                    "this is for people who are logged in, not for API keys".to_owned()
                } else {
                    format!("this API key may not do this: it needs {needed}")
                };
                (ErrorCode::Forbidden, message)
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The claims of a token, with what `more` says.
    pub(crate) fn claims(more: Value) -> Claims {
        let mut claims = json!({
            "sub": kernel::UserId::from_uuid(Default::default()),
            "sid": kernel::SessionId::from_uuid(Default::default()),
            "roles": ["CUSTOMER"], "iss": "marquee", "aud": "marquee", "exp": 2_000_000_000, "iat": 0, "jti": "j",
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(claims).unwrap()
    }

    fn known(more: Value) -> Caller {
        Caller::from(Arc::new(claims(more)))
    }

    fn check(caller: &Caller, lists: &[&[&str]], allowed: bool) {
        let lists: Vec<Vec<String>> =
            lists.iter().map(|list| list.iter().map(|scope| (*scope).to_owned()).collect()).collect();
        assert_eq!(caller.has_one_of(&lists), allowed, "{caller:?} {lists:?}");
    }

    #[test]
    fn persons_have_every_scope_but_the_roles_of_others() {
        let person = known(json!({ "roles": ["CUSTOMER", "MANAGER"] }));
        check(&person, &[&["account"]], true);
        check(&person, &[&["holds:write"]], true);
        check(&person, &[&["role:admin"]], false);
        check(&person, &[&["role:admin"], &["role:manager"]], true);
        check(&person, &[&["role:admin", "role:manager"]], false);
    }

    #[test]
    fn keys_have_what_their_token_names() {
        let key = known(json!({
            "client_id": "key_00000000000000000000000003", "scope": "catalog:read holds:write",
            "partner": { "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 },
            "roles": ["ADMIN"],
        }));
        check(&key, &[&["holds:write"]], true);
        check(&key, &[&["catalog:read", "holds:write"]], true);
        check(&key, &[&["bookings:write"]], false);
        check(&key, &[&["account"]], false);
        check(&key, &[&["role:admin"]], false);
    }

    #[test]
    fn strangers_have_nothing() {
        for caller in [Caller::Stranger, Caller::Rejected(TokenError::Expired)] {
            check(&caller, &[&["account"]], false);
        }
    }

    #[test]
    fn callers_who_may_see_different_things_are_told_apart() {
        let callers = [
            Caller::Stranger,
            Caller::Rejected(TokenError::Expired),
            Caller::Rejected(TokenError::Invalid),
            known(json!({})),
            known(json!({ "jti": "k" })),
        ];
        let partitions: std::collections::BTreeSet<_> = callers.iter().map(Caller::partition).collect();
        assert_eq!(partitions.len(), callers.len());
    }
}
