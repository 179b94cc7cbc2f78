//! What every answer says to browsers, and what pages of other sites may not have browsers send.
//!
//! A browser sends some requests for any page, without asking ([simple
//! requests](https://fetch.spec.whatwg.org/#cors-safelisted-method)). Of these, posts have a type that is
//! refused anyhow; what is left are operations by `GET`. They change nothing and their answers cannot be
//! read by that page, but they cost something, so they are refused too, unless a header shows that the
//! browser has asked before, or that the page is one of ours.

use kernel::error::ErrorCode;
use ntex::{
    Middleware, SharedCfg,
    http::{
        HeaderMap, Method,
        header::{self, HeaderName, HeaderValue},
    },
    service::{Service, ServiceCtx},
    web::{self, DefaultError, WebRequest, WebResponse},
};

use crate::{
    Config,
    admission::{API_KEY, asks},
    explorer,
    origin::Origins,
    refusal::Refusal,
    settings::GRAPHQL,
};

/// Which site a request comes from, as browsers say and pages cannot
/// ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header)).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers that a page of another site cannot send without the browser asking first. The last three have
/// no other purpose; Apollo's clients send the second.
const PREFLIGHTED: [HeaderName; 5] = [
    header::AUTHORIZATION,
    API_KEY,
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("graphql-require-preflight"),
    HeaderName::from_static("x-requested-with"),
];
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// Types of content for which browsers do not ask first.
const SIMPLE: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
/// Nothing that is not a page may do anything where a browser shows it.
const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Shield {
    origins: Origins,
    /// Whether clients come by HTTPS, and should never come otherwise.
    secure: bool,
    /// What the explorer may do.
    explorer: HeaderValue,
}

impl Shield {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            origins: Origins::new(config),
            secure: config.is_secure(),
            explorer: explorer::policy(config).unwrap_or(NOTHING),
        }
    }

    /// Whether a page that may not use the gateway could have had a browser send this.
    fn is_forged(&self, method: &Method, query: &str, headers: &HeaderMap) -> bool {
        let asked = match *method {
            Method::GET => asks(query),
            Method::POST => true,
            _ => false,
        };
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (asked, text(header::ORIGIN)) {
            (false, _) => false,
            (true, Some(origin)) => !self.origins.allows(Some(origin)),
            (true, None) => {
                let elsewhere = text(SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"));
                elsewhere && !was_asked_for(headers)
            }
        }
    }

    fn cover(&self, headers: &mut HeaderMap) {
        let is_page =
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let policy = if is_page { self.explorer.clone() } else { NOTHING };
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (OPENER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.secure {
            let year = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
        }
    }
}

/// Whether the browser has asked before it sent this.
fn was_asked_for(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    kind.is_some_and(|kind| !kind.is_empty() && !SIMPLE.contains(&kind.as_str()))
        || PREFLIGHTED.iter().any(|name| headers.contains_key(name))
}

impl<S> Middleware<S, SharedCfg> for Shield {
    type Service = Shielded<S>;

    fn create(&self, service: S, _: SharedCfg) -> Self::Service {
        Shielded { service, shield: self.clone() }
    }
}

/// A service behind the shield.
pub(crate) struct Shielded<S> {
    service: S,
    shield: Shield,
}

impl<S> Service<WebRequest<DefaultError>> for Shielded<S>
where
    S: Service<WebRequest<DefaultError>, Response = WebResponse, Error = web::Error>,
{
    type Response = WebResponse;
    type Error = web::Error;

    ntex::forward_ready!(service);

    async fn call(
        &self,
        request: WebRequest<DefaultError>,
        ctx: ServiceCtx<'_, Self>,
    ) -> Result<WebResponse, web::Error> {
        let forged = request.path() == GRAPHQL
            && self.shield.is_forged(request.method(), request.query_string(), request.headers());
        let mut response = if forged {
            let refusal = Refusal::new(
                ErrorCode::Forbidden,
                "A page of another site could have sent this. If yours is meant, name its origin in \
                 gateway.allowed_origins; a client that is no page sends `GraphQL-Require-Preflight: 1`.",
            );
            let response = refusal.response(request.headers());
            request.into_response(response)
        } else {
            ctx.call(&self.service, request).await?
        };
        self.shield.cover(response.headers_mut());
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, query: &str, headers: &[(&str, &str)], forged: bool) {
        let shield = Shield::new(&Config::default());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        assert_eq!(shield.is_forged(&method, query, &map), forged, "{method} {query} {headers:?}");
    }

    const QUERY: &str = "query=%7Ba%7D";

    #[test]
    fn pages_of_other_sites_cannot_ask() {
        let image = ("sec-fetch-site", "cross-site");
        check(Method::GET, QUERY, &[image], true);
        check(Method::GET, QUERY, &[("sec-fetch-site", "same-site")], true);
        check(Method::GET, QUERY, &[image, ("content-type", "text/plain;a=application/json")], true);
        check(Method::GET, QUERY, &[("origin", "https://evil.example")], true);
        check(Method::GET, QUERY, &[("origin", "null"), ("x-requested-with", "it")], true);
        check(
            Method::POST,
            "",
            &[("origin", "https://evil.example"), ("content-type", "application/json")],
            true,
        );
        check(Method::POST, "", &[image], true);
    }

    #[test]
    fn everybody_else_can() {
        check(Method::GET, QUERY, &[], false);
        check(Method::GET, QUERY, &[("sec-fetch-site", "same-origin")], false);
        check(Method::GET, QUERY, &[("sec-fetch-site", "none")], false);
        let image = ("sec-fetch-site", "cross-site");
        check(Method::GET, QUERY, &[image, ("origin", "http://localhost:3000")], false);
        check(Method::GET, QUERY, &[image, ("content-type", "application/json")], false);
        check(Method::GET, QUERY, &[image, ("apollo-require-preflight", "1")], false);
        // A link to the explorer.
        check(Method::GET, "", &[image], false);
        check(Method::OPTIONS, "", &[("origin", "https://evil.example")], false);
    }
}
