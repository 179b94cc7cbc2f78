//! Who is calling, as resolvers ask.

use async_graphql::{Context, Enum};
use kernel::ErrorCode;
pub use platform::auth::{Caller, Grant, Identity, Role, Scope, UnknownRole};

use crate::error::ApiError;

/// What an account may do, beyond what everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Role", remote = "Role")]
pub enum RoleName {
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

/// The caller of the request that `ctx` belongs to.
pub fn caller<'c>(ctx: &Context<'c>) -> &'c Caller {
    ctx.data_opt().unwrap_or(&Caller::Anonymous)
}

/// The verified identity of the caller, who is a person.
///
/// API keys are refused: what they may do asks for [`require_scope`].
///
/// # Errors
/// `UNAUTHENTICATED`, with what to do about it; `FORBIDDEN` for an API key; `UNAVAILABLE` when the
/// keys to verify with could not be had.
pub fn require_user<'c>(ctx: &Context<'c>) -> Result<&'c Identity, ApiError> {
    let identity = identity(ctx)?;
    if identity.is_person() {
        return Ok(identity);
    }
    Err(ApiError::forbidden("API keys cannot do this: it needs the access token of a person"))
}

/// The verified identity of the caller: a person, or an API key that has `scope`.
///
/// # Errors
/// As [`require_user`]; `FORBIDDEN` for an API key without the scope.
pub fn require_scope<'c>(ctx: &Context<'c>, scope: Scope) -> Result<&'c Identity, ApiError> {
    let identity = identity(ctx)?;
    if identity.may(scope) {
        return Ok(identity);
    }
    Err(ApiError::forbidden(format!("this API key lacks the scope {scope}")))
}

/// Refuses API keys what is for people, logged in or not.
///
/// # Errors
/// `FORBIDDEN` for an API key.
pub fn refuse_keys(ctx: &Context<'_>) -> Result<(), ApiError> {
    match caller(ctx) {
        Caller::User(identity) if !identity.is_person() => {
            Err(ApiError::forbidden("API keys cannot do this: ask without the key, for the person concerned"))
        }
        _ => Ok(()),
    }
}

fn identity<'c>(ctx: &Context<'c>) -> Result<&'c Identity, ApiError> {
    match caller(ctx) {
        Caller::User(identity) => Ok(identity),
        Caller::Anonymous => Err(ApiError::new(
            ErrorCode::Unauthenticated,
            "log in first: this needs an access token in the Authorization header",
        )),
        Caller::Rejected(error) => Err(ApiError::new(error.code(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Result, Schema};
    use kernel::Id;
    use platform::auth::TokenError;

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        async fn mine(&self, ctx: &Context<'_>) -> Result<bool> {
            Ok(require_user(ctx).map(|_| true)?)
        }

        async fn log_in(&self, ctx: &Context<'_>) -> Result<bool> {
            Ok(refuse_keys(ctx).map(|()| true)?)
        }

        async fn hold(&self, ctx: &Context<'_>) -> Result<bool> {
            Ok(require_scope(ctx, Scope::HoldsWrite).map(|_| true)?)
        }
    }

    fn key(scopes: &[Scope]) -> Caller {
        let grant = Grant {
            key: Id::from_uuid(Default::default()),
            scopes: scopes.iter().copied().collect(),
            rate_per_minute: 1,
            daily_quota: 1,
            seats_per_show: 1,
        };
        let person = Identity::person(
            Id::from_uuid(Default::default()),
            Id::from_uuid(Default::default()),
            Vec::new(),
        );
        Caller::User(Identity { grant: Some(grant), ..person })
    }

    /// The code of the error of `field` for `caller`; nothing when it is allowed.
    async fn refusal(field: &str, caller: Caller) -> String {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let answer = schema.execute(Request::new(format!("{{ {field} }}")).data(caller)).await;
        answer.errors.first().map_or_else(String::new, |error| {
            serde_json::to_value(&error.extensions).unwrap()["code"].as_str().unwrap().to_owned()
        })
    }

    #[tokio::test]
    async fn a_key_may_what_its_scopes_say_and_nothing_that_asks_for_a_person() {
        let person = || {
            let none = Id::from_uuid(Default::default());
            Caller::User(Identity::person(none, Id::from_uuid(Default::default()), Vec::new()))
        };
        for (field, caller, code) in [
            ("mine", Caller::Anonymous, "UNAUTHENTICATED"),
            ("mine", Caller::Rejected(TokenError::KeysUnavailable), "UNAVAILABLE"),
            ("mine", key(&Scope::ALL), "FORBIDDEN"),
            ("mine", person(), ""),
            ("logIn", Caller::Anonymous, ""),
            ("logIn", Caller::Rejected(TokenError::Expired), ""),
            ("logIn", key(&Scope::ALL), "FORBIDDEN"),
            ("logIn", person(), ""),
            ("hold", Caller::Anonymous, "UNAUTHENTICATED"),
            ("hold", Caller::Rejected(TokenError::Expired), "UNAUTHENTICATED"),
            ("hold", key(&[Scope::CatalogRead]), "FORBIDDEN"),
            ("hold", key(&[Scope::HoldsWrite]), ""),
            ("hold", person(), ""),
        ] {
            let told = format!("{field} {caller:?}");
            assert_eq!(refusal(field, caller).await, code, "{told}");
        }
    }
}
