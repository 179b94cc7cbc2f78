//! The headers that the operations of a socket have: those of its upgrade, and over them those in
//! the payload of `connection_init`, which is all that a browser can set.

use ntex::http::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};

use crate::{admission::API_KEY, settings::AUTHORIZATION};

/// The forwarded headers of the upgrade, and those that make a body of JSON a request.
pub(super) fn of_upgrade(upgrade: &HeaderMap, forwarded: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in forwarded.iter().map(String::as_str).chain([API_KEY.as_str()]) {
        if let Some(value) = upgrade.get(name) {
            set(&mut headers, name, value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers
}

/// Lays the payload of `connection_init` over `headers`: its fields, and those of its field
/// `headers`, whose names are in `forwarded` in any case. A bare `token` is a bearer token.
pub(super) fn add_payload(headers: &mut HeaderMap, payload: &Map<String, Value>, forwarded: &[String]) {
    let mut given = HeaderMap::new();
    if let Some(Value::String(token)) = payload.get("token") {
        add(&mut given, AUTHORIZATION, token);
    }
    let nested = payload.get("headers").and_then(Value::as_object);
    for (name, value) in payload.iter().chain(nested.into_iter().flatten()) {
        let name = name.to_ascii_lowercase();
        if let (true, Value::String(value)) = (API_KEY == *name || forwarded.contains(&name), value) {
            add(&mut given, &name, value);
        }
    }
    if has_credentials(&given) {
        // Of either kind: one replaces the other.
        headers.remove(AUTHORIZATION);
        headers.remove(API_KEY);
    }
    for (name, value) in &given {
        headers.insert(name.clone(), value.clone());
    }
}

/// Whether there is anything by which a caller could be known.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY)
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    let value = match value.trim() {
        // A scheme is often forgotten, and there is but one.
        token if name == AUTHORIZATION && !token.contains(' ') => format!("Bearer {token}"),
        value => value.to_owned(),
    };
    if let Ok(value) = HeaderValue::try_from(value.as_str()) {
        set(headers, name, value);
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: HeaderValue) {
    if let Ok(name) = HeaderName::try_from(name) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(upgrade: Option<&str>, payload: Value, expected: Option<&str>) {
        let forwarded = ["authorization".to_owned(), "x-request-id".to_owned()];
        let mut headers = HeaderMap::new();
        if let Some(token) = upgrade {
            headers.insert(header::AUTHORIZATION, HeaderValue::try_from(token).unwrap());
        }
        let mut headers = of_upgrade(&headers, &forwarded);
        if let Value::Object(payload) = &payload {
            add_payload(&mut headers, payload, &forwarded);
        }
        let found = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
        assert_eq!(found, expected, "{upgrade:?} {payload}");
    }

    #[test]
    fn the_token_is_found_where_clients_put_it() {
        for payload in [
            json!({ "authorization": "Bearer t" }),
            json!({ "Authorization": "Bearer t" }),
            json!({ "Authorization": "t" }),
            json!({ "token": "t" }),
            json!({ "headers": { "Authorization": "Bearer t" } }),
        ] {
            check(None, payload, Some("Bearer t"));
        }
    }

    #[test]
    fn the_first_message_outranks_the_upgrade() {
        check(Some("Bearer u"), json!(null), Some("Bearer u"));
        check(Some("Bearer u"), json!({}), Some("Bearer u"));
        check(Some("Bearer u"), json!({ "token": "t" }), Some("Bearer t"));
    }

    #[test]
    fn an_api_key_replaces_a_token() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer u"));
        let mut headers = of_upgrade(&headers, &["authorization".to_owned()]);
        let Value::Object(payload) = json!({ "X-Api-Key": "mk_1_2" }) else { unreachable!() };
        add_payload(&mut headers, &payload, &["authorization".to_owned()]);
        assert_eq!(headers.get(API_KEY).unwrap().as_bytes(), b"mk_1_2");
        assert!(!headers.contains_key(header::AUTHORIZATION) && has_credentials(&headers));
    }

    #[test]
    fn nothing_else_becomes_a_header() {
        check(None, json!({ "authorization": 7, "cookie": "c", "token": null }), None);
        check(None, json!({ "authorization": "Bearer a\nb" }), None);
    }
}
