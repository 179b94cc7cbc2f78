//! The explorer under the policy that it comes with: a browser would load and run all that the page
//! needs, and nothing else. (No browser is asked; the rules are those of
//! [CSP 3](https://www.w3.org/TR/CSP3/).)

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use gateway::Introspection;
use reqwest::header;
use sha2::{Digest, Sha256};

use crate::harness::{Events, Gateway, answer, until, within};

const OWN: &str = "https://api.marquee.example";
/// Where the program of the explorer comes from: one version of it.
const PROGRAM: &str = "https://unpkg.com/@graphql-yoga/graphiql@4.5.0/dist/";

/// A content security policy.
struct Policy(BTreeMap<String, Vec<String>>);

impl Policy {
    fn parse(text: &str) -> Self {
        let directives = text.split(';').map(|directive| {
            let mut words = directive.split_whitespace().map(str::to_owned);
            (words.next().expect("a directive without a name"), words.collect())
        });
        Self(directives.collect())
    }

    /// The sources of a directive; of the first of those that stand in for it when there is none.
    fn sources(&self, directive: &str) -> &[String] {
        let stand_ins: &[&str] = match directive {
            "worker-src" => &["child-src", "script-src", "default-src"],
            "frame-ancestors" | "base-uri" | "form-action" => &[],
            _ => &["default-src"],
        };
        let mut names = std::iter::once(directive).chain(stand_ins.iter().copied());
        names.find_map(|name| self.0.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Whether something may be loaded from a URL, or stand in the page: `inline`, of a script its hash.
    fn allows(&self, directive: &str, what: &str) -> bool {
        let origin = what.split('/').take(3).collect::<Vec<_>>().join("/");
        let scheme = what.split(':').next().unwrap_or_default();
        self.sources(directive).iter().any(|source| match source.as_str() {
            "'none'" => false,
            "'self'" => origin == OWN,
            "'unsafe-inline'" => what == "inline",
            "*" => what != "inline",
            source if source.ends_with('/') => what.starts_with(source),
            source => source == what || source == origin || source == format!("{scheme}:"),
        })
    }
}

/// A tag of the page, and the text after it up to the next one; of a script, its program.
struct Tag<'p> {
    name: &'p str,
    attributes: BTreeMap<&'p str, &'p str>,
    text: &'p str,
}

fn tags(page: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag without an end");
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let end = match name {
            "script" | "style" => after.find("</").expect("no end of a script"),
            _ => after.find('<').unwrap_or(after.len()),
        };
        let (text, after) = after.split_at(end);
        rest = after;
        if !name.starts_with(['!', '/']) {
            tags.push(Tag { name, attributes: parse_attributes(attributes), text });
        }
    }
    tags
}

fn parse_attributes(text: &str) -> BTreeMap<&str, &str> {
    let mut attributes = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('/') {
        let end = rest.find(|char: char| char.is_whitespace() || char == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(after) => after.split_once('"').expect("an attribute without an end"),
            None => ("", after),
        };
        attributes.insert(name, value);
        rest = after.trim_start();
    }
    attributes
}

/// How a policy names a script in the page.
fn hash(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))
}

fn urls(text: &str) -> impl Iterator<Item = &str> {
    let ends = |char: char| char.is_whitespace() || "\"'`)<>".contains(char);
    text.match_indices("https://").map(move |(at, _)| text[at..].split(ends).next().unwrap_or_default())
}

/// What a page needs: directives, and what they have to allow.
fn needs(page: &str) -> Vec<(&'static str, String)> {
    let mut needs = Vec::new();
    let mut need = |directive, what: &str| needs.push((directive, what.to_owned()));
    for tag in tags(page) {
        let attribute = |name: &str| tag.attributes.get(name).copied();
        match (tag.name, attribute("src").or(attribute("href"))) {
            ("script", Some(url)) => need("script-src", url),
            ("script", None) => {
                need("script-src", &hash(tag.text));
                // A program of the page does nothing with an address but to fetch it.
                urls(tag.text).for_each(|url| need("connect-src", url));
                if tag.text.contains("createObjectURL") {
                    need("worker-src", "blob:");
                }
            }
            ("style", _) => need("style-src", "inline"),
            ("link", Some(url)) if attribute("rel") == Some("stylesheet") => need("style-src", url),
            ("link", Some(url)) => need("img-src", url),
            ("img", Some(url)) => need("img-src", url),
            (_, Some(url)) => panic!("nobody thought of <{}> with {url}", tag.name),
            ("iframe" | "object" | "embed" | "base" | "form", None) => panic!("<{}>", tag.name),
            (_, None) => {}
        }
        if tag.attributes.keys().any(|name| name.starts_with("on")) {
            need("script-src", "inline");
        }
        if tag.attributes.contains_key("style") {
            need("style-src", "inline");
        }
    }
    needs
}

async fn page_and_policy(gateway: &Gateway) -> (String, Policy) {
    let page = gateway.http.get(gateway.url("/graphql")).header(header::ACCEPT, "text/html,*/*;q=0.8");
    let page = within(page.send()).await.unwrap();
    let policy = Policy::parse(page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap());
    (page.text().await.unwrap(), policy)
}

async fn gateway() -> Gateway {
    Gateway::with(|config| {
        config.public_url = OWN.parse().unwrap();
        config.introspection = Some(Introspection::Development);
    })
    .await
}

#[tokio::test]
async fn the_page_may_load_and_do_what_it_needs() {
    let (page, policy) = page_and_policy(&gateway().await).await;
    let found = needs(&page);
    // What is known to be there was seen: else this would prove nothing.
    for (directive, what) in [
        ("script-src", PROGRAM),
        ("script-src", "'sha256-"),
        ("style-src", PROGRAM),
        ("connect-src", PROGRAM),
        ("worker-src", "blob:"),
        ("img-src", "data:"),
    ] {
        assert!(found.iter().any(|(name, need)| *name == directive && need.starts_with(what)), "{found:?}");
    }
    assert_eq!(urls(&page).count(), found.iter().filter(|(_, what)| what.starts_with("https")).count());
    for (directive, what) in &found {
        assert!(policy.allows(directive, what), "the policy keeps the page from {what} ({directive})");
    }
    // What its program does (GraphiQL of GraphQL Yoga, with the Monaco editor): it asks by `fetch`,
    // subscribes by server-sent events, or by WebSocket when so told, and brings styles, icons and fonts
    // along as text.
    for (directive, what) in [
        ("connect-src", "https://api.marquee.example/graphql"),
        ("connect-src", "wss://api.marquee.example/graphql"),
        ("style-src", "inline"),
        ("font-src", "data:font/ttf"),
        ("img-src", "data:image/svg+xml"),
    ] {
        assert!(policy.allows(directive, what), "the policy keeps the explorer from {what} ({directive})");
    }
}

#[tokio::test]
async fn the_page_may_do_nothing_else() {
    let (page, policy) = page_and_policy(&gateway().await).await;
    for (directive, what) in [
        ("script-src", "https://evil.example/x.js"),
        ("script-src", "https://unpkg.com/@graphql-yoga/graphiql/dist/yoga-graphiql.umd.js"),
        ("script-src", "inline"),
        ("script-src", &hash("alert(1)")),
        ("script-src", "data:text/javascript"),
        ("script-src", "blob:"),
        ("connect-src", "https://evil.example"),
        ("connect-src", "wss://evil.example"),
        ("img-src", "https://evil.example/?stolen"),
        ("frame-src", "https://unpkg.com"),
        ("object-src", "https://unpkg.com"),
        ("worker-src", "https://unpkg.com/x.js"),
        ("manifest-src", "https://unpkg.com"),
    ] {
        assert!(!policy.allows(directive, what), "{what} ({directive})");
    }
    for directive in ["frame-ancestors", "base-uri", "form-action"] {
        assert_eq!(policy.sources(directive), ["'none'"], "{directive}");
    }
    let wide = |source: &String| matches!(source.as_str(), "*" | "'unsafe-eval'" | "https:" | "http:");
    assert!(!policy.0.values().flatten().any(wide));
    // What it loads is known by its hash.
    let loaded = tags(&page).into_iter().filter(|tag| matches!(tag.name, "script" | "link"));
    for tag in loaded.filter(|tag| tag.attributes.values().any(|value| value.starts_with("https:"))) {
        assert!(tag.attributes["integrity"].starts_with("sha384-"), "<{}>", tag.name);
    }
    // Under the policy of answers that are no pages none of it would run.
    let nothing = Policy::parse("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    assert!(needs(&page).iter().all(|(directive, what)| !nothing.allows(directive, what)));
}

/// What the page sends, as a browser sends it.
#[tokio::test]
async fn what_the_page_asks_is_answered() {
    let gateway = gateway().await;
    let from_page = |query: &str| {
        let request = gateway.post(query).header(header::ORIGIN, OWN);
        request.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors")
    };
    let schema = answer(from_page(include_str!("../fixture/introspection.graphql"))).await;
    assert_eq!(schema["data"]["__schema"]["queryType"]["name"], "Query");
    let mut events = Events::of(from_page("subscription { seatMapChanged(showId: 1) { version } }")).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    gateway.booking.send(4);
    assert_eq!(events.next().await.unwrap()["data"]["seatMapChanged"]["version"], 4);
    let socket = gateway.raw_socket(&[("origin", OWN)]).await;
    assert!(socket.is_ok());
}
