//! The page that a browser gets at `/graphql`: GraphiQL, as GraphQL Yoga packs it.
//!
//! Its program has nine megabytes, so it is no part of the gateway: browsers fetch it from a public mirror
//! of npm. The page names one version, and the hashes of its files
//! ([Subresource Integrity](https://www.w3.org/TR/sri-2/)): whatever else the mirror might give is not run.
//! The router's own page names neither.
//!
//! For another version: the page has the hashes of `openssl dgst -sha384 -binary FILE | base64`, of the
//! files of `npm pack @graphql-yoga/graphiql@VERSION`; and [`PROGRAM`] has the version, too.

use base64::{Engine, engine::general_purpose::STANDARD};
use ntex::http::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::Config;

/// The page.
pub(crate) const PAGE: &str = include_str!("explorer/page.html");
/// Where everything that it loads is.
const PROGRAM: &str = "https://unpkg.com/@graphql-yoga/graphiql@4.5.0/dist/";

/// What the page may load and do ([CSP 3](https://www.w3.org/TR/CSP3/)). Styles are made as they are needed,
/// by Monaco; scripts in the page are those that we wrote, by their hashes.
pub(crate) fn policy(config: &Config) -> Option<HeaderValue> {
    let socket = config.public_url.origin().ascii_serialization().replacen("http", "ws", 1);
    let scripts: String = scripts(PAGE).map(|script| format!("{} ", source(script))).collect();
    let policy = format!(
        "default-src 'none'; script-src {scripts}{PROGRAM}; style-src 'unsafe-inline' {PROGRAM}; \
         font-src data: {PROGRAM}; img-src data:; worker-src blob:; connect-src 'self' {socket} {PROGRAM}; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::try_from(policy.as_str()).ok()
}

/// The scripts that are in the page.
fn scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script>").skip(1).filter_map(|rest| rest.split("</script>").next())
}

/// How a policy names a script in the page.
fn source(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_that_is_not_known() {
        let urls = PAGE.matches("https://").count();
        assert_eq!(PAGE.matches(PROGRAM).count(), urls);
        assert_eq!(PAGE.matches("\"sha384-").count(), urls);
        assert_eq!((urls, scripts(PAGE).count()), (5, 2));
    }

    #[test]
    fn a_script_is_named_by_its_hash() {
        // The example of CSP 3, section 8.2.
        assert_eq!(source("doSomething();"), "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='");
    }
}
