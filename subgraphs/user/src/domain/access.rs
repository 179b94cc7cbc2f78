//! Who may see whom.

use graphql_kit::{Identity, Role};
use kernel::UserId;

/// Whether `caller` may read the account `of`: their own, or any as an administrator.
///
/// Everyone else learns not even whether the account exists. API keys are not for reading accounts.
pub fn may_read(caller: Option<&Identity>, of: UserId) -> bool {
    caller.is_some_and(|caller| {
        caller.is_person() && (caller.user_id == of || caller.roles.contains(&Role::Admin))
    })
}

#[cfg(test)]
mod tests {
    use graphql_kit::{Grant, Scope};
    use kernel::{Id, SessionId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn not_even_the_own_account_of_an_api_key() {
        let grant = Grant {
            key: Id::from_uuid(Uuid::nil()),
            scopes: Scope::ALL.into(),
            rate_per_minute: 1,
            daily_quota: 1,
            seats_per_show: 1,
        };
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let person = Identity::person(user, SessionId::from_uuid(Uuid::nil()), vec![Role::Admin]);
        assert!(may_read(Some(&person), user));
        assert!(!may_read(Some(&Identity { grant: Some(grant), ..person }), user));
    }

    #[test]
    fn only_oneself_and_administrators() {
        let user = |n| UserId::from_uuid(Uuid::from_u128(n));
        let caller = |n, role| Identity::person(user(n), SessionId::from_uuid(Uuid::nil()), vec![role]);
        assert!(!may_read(None, user(1)));
        assert!(may_read(Some(&caller(1, Role::Customer)), user(1)));
        assert!(may_read(Some(&caller(2, Role::Admin)), user(1)));
        for role in [Role::Customer, Role::Staff, Role::Manager, Role::Partner] {
            assert!(!may_read(Some(&caller(2, role)), user(1)));
        }
    }
}
