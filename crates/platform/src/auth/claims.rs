//! What an access token says.

use kernel::{ApiKeyId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::{
    identity::{Grant, Identity},
    role::Role,
    scope::Scope,
};

/// What an access token says (RFC 7519, RFC 9068).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: UserId,
    /// The session that the token came from. A key has no sessions: its tokens have the key's own
    /// number here.
    pub sid: SessionId,
    /// What the account may do; empty in tokens of API keys.
    pub roles: Vec<Role>,
    /// Who made the token.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// Seconds since 1970 from which on it is void.
    pub exp: i64,
    /// Seconds since 1970 at which it was made.
    pub iat: i64,
    /// Unique for each token.
    pub jti: String,
    /// What the token may be used for, separated by spaces. Only tokens of API keys are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The API key that the token was made for; absent in tokens of persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ApiKeyId>,
    /// How much the API key may do; absent in tokens of persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerLimits>,
}

/// How much an API key may do. The default is nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartnerLimits {
    /// Operations in a minute.
    pub rate_per_minute: u32,
    /// Operations in a day (UTC).
    pub daily_quota: u32,
    /// Seats of one show, held and booked together.
    pub seats_per_show: u32,
}

impl Claims {
    /// Who the holder of the token is, once it was verified.
    pub fn identity(&self) -> Identity {
        let grant = self.client_id.map(|key| {
            let limits = self.partner.unwrap_or_default();
            Grant {
                key,
                scopes: self.scope.as_deref().map(Scope::list).unwrap_or_default(),
                rate_per_minute: limits.rate_per_minute,
                daily_quota: limits.daily_quota,
                seats_per_show: limits.seats_per_show,
            }
        });
        // A key never has a role, whatever its token says.
        let roles = if grant.is_some() { Vec::new() } else { self.roles.clone() };
        Identity { user_id: self.sub, session_id: self.sid, roles, grant }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(more: &serde_json::Value) -> Claims {
        let mut all = json!({
            "sub": "user_00000000000000000000000001",
            "sid": "session_00000000000000000000000002",
            "roles": ["CUSTOMER", "ADMIN"],
            "iss": "marquee", "aud": "marquee", "exp": 2, "iat": 1, "jti": "x",
        });
        let more = more.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(more);
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_token_from_before_api_keys_is_a_persons() {
        let person = claims(&json!({}));
        let identity = person.identity();
        assert_eq!((identity.roles.len(), &identity.grant), (2, &None));
        // And it is written as it always was.
        let text = serde_json::to_string(&person).unwrap();
        assert!(!text.contains("scope") && !text.contains("client_id") && !text.contains("partner"));
    }

    #[test]
    fn a_key_has_its_scopes_and_limits_and_no_role() {
        let identity = claims(&json!({
            "client_id": "key_00000000000000000000000003",
            "scope": "holds:write seats:watch role:admin account",
            "partner": {"rate_per_minute": 60, "daily_quota": 1000, "seats_per_show": 8},
        }))
        .identity();
        assert!(identity.roles.is_empty());
        let grant = identity.grant.unwrap();
        assert_eq!(grant.scopes, [Scope::SeatsWatch, Scope::HoldsWrite].into());
        assert_eq!((grant.rate_per_minute, grant.daily_quota, grant.seats_per_show), (60, 1000, 8));
    }

    #[test]
    fn what_a_keys_token_does_not_say_it_may_not() {
        let grant = claims(&json!({"client_id": "key_00000000000000000000000003"})).identity().grant.unwrap();
        assert!(grant.scopes.is_empty());
        assert_eq!((grant.rate_per_minute, grant.daily_quota, grant.seats_per_show), (0, 0, 0));
    }
}
