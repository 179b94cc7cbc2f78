//! The parameters of an operation, whatever transport they came by. They are understood completely,
//! or the request is refused: what the pipeline looked at and what the router executes must be the
//! same.

use ntex::util::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use url::form_urlencoded;

use crate::refusal::Refusal;

/// The parameters of an operation
/// ([GraphQL over HTTP](https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters)).
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation_name: Option<String>,
    /// The document, if it is known by an id. The router gets the text.
    #[serde(skip_serializing)]
    pub(crate) document_id: Option<String>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) variables: Option<&'b RawValue>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) extensions: Option<&'b RawValue>,
}

/// The names of parameters, none of which may come twice.
const NAMES: [&str; 5] = ["query", "operationName", "variables", "extensions", "documentId"];

impl<'b> Params<'b> {
    /// Reads a body of JSON.
    pub(crate) fn parse(body: &'b [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|error| match body.trim_ascii_start().first() {
            Some(b'[') => Refusal::bad("One request has one operation: send them one by one."),
            _ => Refusal::bad(format!("The body is not a GraphQL request in JSON: {error}.")),
        })
    }

    /// The body that says this.
    pub(crate) fn body(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// The query string that says this.
    pub(crate) fn query_string(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let variables = self.variables.map(RawValue::get);
        let extensions = self.extensions.map(RawValue::get);
        let values = [self.query.as_deref(), self.operation_name.as_deref(), variables, extensions];
        for (name, value) in NAMES.into_iter().zip(values) {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// Whether a query string asks for an operation.
pub(crate) fn asks(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| NAMES.contains(&&*name))
}

/// The body that a `POST` of the same operation would have.
pub(crate) fn from_query(query: &str) -> Result<Bytes, Refusal> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = match &*name {
            "query" | "operationName" | "documentId" => Value::from(value),
            "variables" | "extensions" if value.is_empty() => continue,
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|error| Refusal::bad(format!("`{name}` is not JSON: {error}.")))?,
            _ => continue,
        };
        if fields.insert(name.clone().into_owned(), value).is_some() {
            return Err(Refusal::bad(format!("`{name}` is there twice.")));
        }
    }
    Ok(Value::Object(fields).to_string().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_string_says_the_same_as_a_body() {
        let query = "query=subscription+%7B+a+%7D&operationName=S&variables=%7B%22b%22%3A1%7D&other=1";
        let body = from_query(query).unwrap();
        let expected = json!({
            "query": "subscription { a }", "operationName": "S", "variables": { "b": 1 },
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
        let again = Params::parse(&body).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&again.body()).unwrap(), expected);
        assert_eq!(from_query(&again.query_string()).unwrap(), body);
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        for body in [
            r#"{"query":"{ a }","query":"{ b }"}"#,
            r#"[{"query":"{ a }"}]"#,
            r#"{"query":7}"#,
            r#"{"query":"{ a }"} {}"#,
            "query={a}",
            "",
        ] {
            assert!(Params::parse(body.as_bytes()).is_err(), "{body}");
        }
        for query in ["query=a&query=b", "query=a&variables={", "variables={}&variables={}"] {
            assert!(from_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn null_is_the_same_as_nothing() {
        let body = br#"{"query":"{ a }","operationName":null,"variables":null,"extensions":null,"id":1}"#;
        let params = Params::parse(body).unwrap();
        assert_eq!(params.operation_name, None);
        assert!(params.variables.is_none_or(|variables| variables.get() == "null"));
    }

    #[test]
    fn a_page_asks_for_nothing() {
        assert!(!asks("") && !asks("tab=docs"));
        assert!(asks("query=%7Ba%7D") && asks("extensions=%7B%7D"));
    }
}
