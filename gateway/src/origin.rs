//! Which web pages may use the gateway. One rule for CORS and for sockets, which browsers open
//! across origins without asking (RFC 6455, section 10.2).

use url::{Host, Url};

use crate::Config;

/// Matches `http://localhost:3000` and the like, for the router's CORS rules.
pub(crate) const LOOPBACK_PATTERN: &str = r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$";

/// Which web pages may use the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    pub(crate) any: bool,
    pub(crate) loopback: bool,
    /// The gateway's own and the configured ones, in their serialised form.
    pub(crate) exact: Vec<String>,
}

impl Origins {
    pub(crate) fn new(config: &Config) -> Self {
        let own = config.public_url.origin().ascii_serialization();
        Self {
            any: config.allowed_origins.iter().any(|origin| origin == "*"),
            loopback: config.allow_loopback_origins,
            exact: std::iter::once(own)
                .chain(config.allowed_origins.iter().filter(|origin| *origin != "*").cloned())
                .collect(),
        }
    }

    /// Whether a page of `origin` may open a socket. What is not a browser sends no origin.
    pub(crate) fn allows(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        self.any
            || self.exact.iter().any(|exact| exact == origin)
            || (self.loopback && Url::parse(origin).is_ok_and(|origin| is_loopback(&origin)))
    }
}

/// Whether a URL is of the machine of whoever uses it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &Config, allowed: &[&str], refused: &[&str]) {
        let origins = Origins::new(config);
        assert!(origins.allows(None));
        for origin in allowed {
            assert!(origins.allows(Some(origin)), "{origin} must be allowed");
        }
        for origin in refused {
            assert!(!origins.allows(Some(origin)), "{origin} must be refused");
        }
    }

    #[test]
    fn by_default_pages_of_this_machine_are_allowed() {
        check(
            &Config::default(),
            &["http://localhost:3000", "http://127.0.0.1:4000", "https://[::1]:8443"],
            &["https://evil.example", "http://localhost.evil.example", "null", "file://"],
        );
    }

    #[test]
    fn in_production_only_what_is_named() {
        let config = Config {
            public_url: Url::parse("https://api.marquee.example").unwrap(),
            allowed_origins: vec!["https://marquee.example".to_owned()],
            allow_loopback_origins: false,
            ..Config::default()
        };
        check(
            &config,
            &["https://marquee.example", "https://api.marquee.example"],
            &["http://localhost:3000", "http://marquee.example", "https://marquee.example:444"],
        );
    }

    #[test]
    fn a_star_allows_all() {
        let config = Config { allowed_origins: vec!["*".to_owned()], ..Config::default() };
        check(&config, &["https://anything.example", "null"], &[]);
    }
}
