//! Who may see whom.

use graphql_kit::{Identity, Role};
use kernel::UserId;

/// Whether `caller` may read the account `of`: their own, or any as an administrator.
///
/// Everyone else learns not even whether the account exists.
pub fn may_read(caller: Option<&Identity>, of: UserId) -> bool {
    caller.is_some_and(|caller| caller.user_id == of || caller.roles.contains(&Role::Admin))
}

#[cfg(test)]
mod tests {
    use kernel::SessionId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_oneself_and_administrators() {
        let user = |n| UserId::from_uuid(Uuid::from_u128(n));
        let caller = |n, role| Identity {
            user_id: user(n),
            session_id: SessionId::from_uuid(Uuid::nil()),
            roles: vec![role],
        };
        assert!(!may_read(None, user(1)));
        assert!(may_read(Some(&caller(1, Role::Customer)), user(1)));
        assert!(may_read(Some(&caller(2, Role::Admin)), user(1)));
        for role in [Role::Customer, Role::Staff, Role::Manager, Role::Partner] {
            assert!(!may_read(Some(&caller(2, role)), user(1)));
        }
    }
}
