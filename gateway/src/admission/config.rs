//! The sections `gateway.auth` and `gateway.rate_limits` of the configuration.

use garde::Validate;
use platform::auth::AuthConfig;
use serde::Deserialize;
use url::Url;

use super::limits::Class;

/// Who callers are: access tokens and API keys.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Whether the gateway looks at tokens at all. Without it every caller is a stranger to the
    /// gateway, tokens go on unseen, and only subgraphs decide; for supergraphs that have other
    /// tokens.
    #[garde(skip)]
    pub enabled: bool,
    /// Address of the published keys (a JSON Web Key Set, RFC 7517).
    #[garde(url)]
    pub jwks_url: String,
    /// The `iss` that a token must have.
    #[garde(length(min = 1))]
    pub issuer: String,
    /// The `aud` that a token must have.
    #[garde(length(min = 1))]
    pub audience: String,
    /// Where an API key is exchanged for an access token (RFC 6749, section 4.4). `POST /oauth/token`
    /// of clients goes there too.
    #[garde(custom(web_url))]
    pub token_url: Url,
}

/// How much a caller may ask for. A limit is a bucket: it holds as many tokens as may be taken in a
/// minute, and is filled evenly. Each root field of an operation takes a token of the class of its
/// name, and one of the general class.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Whether there are limits.
    #[garde(skip)]
    pub enabled: bool,
    /// Where the buckets are.
    #[garde(skip)]
    pub store: Store,
    /// Root fields of all classes, per minute and caller.
    #[garde(range(min = 1, max = MOST))]
    pub general: u32,
    /// Of these, searches.
    #[garde(range(min = 1, max = MOST))]
    pub search: u32,
    /// Of these, holds.
    #[garde(range(min = 1, max = MOST))]
    pub hold: u32,
    /// Of these, what moves money.
    #[garde(range(min = 1, max = MOST))]
    pub payment: u32,
    /// Of these, what opens a session, and requests to `/oauth/token`.
    #[garde(range(min = 1, max = MOST))]
    pub sign_in: u32,
    /// Callers whom we know share the limits of their address with everybody behind the same router
    /// of a provider or an office: these limits are so many times those of one caller.
    #[garde(range(min = 1, max = 1_000))]
    pub known_per_address: u32,
    /// Names of root fields of the class `search`.
    #[garde(inner(pattern("^[_A-Za-z][_0-9A-Za-z]*$")))]
    pub search_fields: Vec<String>,
    /// Names of root fields of the class `hold`.
    #[garde(inner(pattern("^[_A-Za-z][_0-9A-Za-z]*$")))]
    pub hold_fields: Vec<String>,
    /// Names of root fields of the class `payment`.
    #[garde(inner(pattern("^[_A-Za-z][_0-9A-Za-z]*$")))]
    pub payment_fields: Vec<String>,
    /// Names of root fields of the class `sign_in`.
    #[garde(inner(pattern("^[_A-Za-z][_0-9A-Za-z]*$")))]
    pub sign_in_fields: Vec<String>,
}

/// More a minute would be less than a microsecond apart.
const MOST: u32 = 60_000_000;

/// Where the buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// In Redis, for all gateways together; while it is away, in this process.
    Redis,
    /// In this process.
    Local,
}

impl Default for Auth {
    fn default() -> Self {
        let AuthConfig { jwks_url, issuer, audience } = AuthConfig::default();
        let token_url = Url::parse("http://127.0.0.1:4003/oauth/token")
            .unwrap_or_else(|error| unreachable!("this is a URL: {error}"));
        Self { enabled: true, jwks_url, issuer, audience, token_url }
    }
}

impl Auth {
    pub(crate) fn verifier(&self) -> AuthConfig {
        AuthConfig {
            jwks_url: self.jwks_url.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            enabled: true,
            store: Store::Redis,
            general: 100,
            search: 30,
            hold: 10,
            payment: 5,
            sign_in: 10,
            known_per_address: 20,
            search_fields: names(&["search"]),
            hold_fields: names(&["holdSeats", "holdBestAvailable", "extendHold"]),
            payment_fields: names(&["checkout", "cancelBooking"]),
            sign_in_fields: names(&["signUp", "logIn", "refreshSession", "changePassword"]),
        }
    }
}

impl RateLimits {
    /// How many of a class a caller may ask for in a minute.
    pub(crate) const fn per_minute(&self, class: Class) -> u32 {
        match class {
            Class::General => self.general,
            Class::Search => self.search,
            Class::Hold => self.hold,
            Class::Payment => self.payment,
            Class::SignIn => self.sign_in,
        }
    }

    /// The class of a root field.
    pub(crate) fn class(&self, field: &str) -> Class {
        let classes = [
            (Class::Search, &self.search_fields),
            (Class::Hold, &self.hold_fields),
            (Class::Payment, &self.payment_fields),
            (Class::SignIn, &self.sign_in_fields),
        ];
        let named = classes.into_iter().find(|(_, fields)| fields.iter().any(|name| name == field));
        named.map_or(Class::General, |(class, _)| class)
    }
}

fn web_url(url: &Url, _: &()) -> garde::Result {
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        _ => Err(garde::Error::new(format!("`{url}` is not an http or https URL"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_what_the_readme_says() {
        let limits = RateLimits::default();
        limits.validate().unwrap();
        Auth::default().validate().unwrap();
        for (field, class, per_minute) in [
            ("movies", Class::General, 100),
            ("search", Class::Search, 30),
            ("holdBestAvailable", Class::Hold, 10),
            ("checkout", Class::Payment, 5),
            ("logIn", Class::SignIn, 10),
        ] {
            assert_eq!(limits.class(field), class, "{field}");
            assert_eq!(limits.per_minute(class), per_minute, "{field}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_a_mistake() {
        let error = RateLimits { hold: 0, ..RateLimits::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("hold"), "{error}");
    }
}
