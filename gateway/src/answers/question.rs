//! What is asked, whoever asks: what tells the answer to one question from that to another.

use std::{fmt, sync::Arc};

use ntex::http::{HeaderMap, header::HeaderName};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::admission::{Document, Kind, Operation, Params};

/// Names what an answer depends on. Nobody can make two questions that have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

/// A query whose answer might be kept.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Of its text, the name of the operation, variables and extensions, each as it was sent: who
    /// compares values would have to know how others read numbers.
    digest: Digest,
    operation: Arc<Operation>,
}

impl Question {
    /// `None` for what is no query, and for those that read the schema: who may do so depends on who
    /// asks.
    pub(crate) fn new(document: &Document, operation: &Arc<Operation>, params: &Params<'_>) -> Option<Self> {
        (operation.kind == Kind::Query && !document.traits.introspects).then(|| {
            let said = |values: Option<&RawValue>| match values.map_or("", |values| values.get().trim()) {
                "null" | "{}" => String::new(),
                values => values.to_owned(),
            };
            let (variables, extensions) = (said(params.variables), said(params.extensions));
            let mut digest = Sha256::new();
            add(&mut digest, params.query.as_deref().unwrap_or_default().as_bytes());
            add(&mut digest, params.operation_name.as_deref().unwrap_or_default().as_bytes());
            add(&mut digest, variables.as_bytes());
            add(&mut digest, extensions.as_bytes());
            Self { digest: Digest(digest.finalize().into()), operation: Arc::clone(operation) }
        })
    }

    /// What is known of answers to its operation.
    pub(crate) fn habit(&self) -> &super::Habit {
        &self.operation.habit
    }

    /// What the answer to the question depends on when it is asked with these headers, of which those
    /// with these `names` decide.
    pub(super) fn asked_with(&self, headers: &HeaderMap, names: &[HeaderName]) -> Digest {
        if !names.iter().any(|name| headers.contains_key(name)) {
            return self.digest;
        }
        let mut digest = Sha256::new();
        digest.update(self.digest.0);
        for name in names {
            for value in headers.get_all(name) {
                add(&mut digest, name.as_str().as_bytes());
                add(&mut digest, value.as_bytes());
            }
        }
        Digest(digest.finalize().into())
    }
}

/// Adds a part in a way that no other parts look like.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ntex::http::header::{ACCEPT_LANGUAGE, HeaderValue};
    use serde_json::{Value, json};

    use super::*;
    use crate::admission::Usual;

    /// What is asked by a body, if its answer might be kept.
    pub(in crate::answers) fn question(body: &Value) -> Option<Question> {
        let body = body.to_string();
        let params = Params::parse(body.as_bytes()).unwrap();
        let document = Document::parse(params.query.as_deref()?, &Usual)?;
        let operation = document.operation(params.operation_name.as_deref())?;
        Question::new(&document, operation, &params)
    }

    fn digest(body: &Value) -> Digest {
        question(body).unwrap().digest
    }

    #[test]
    fn only_queries_have_answers_that_are_kept() {
        assert!(question(&json!({ "query": "{ a }" })).is_some());
        assert!(question(&json!({ "query": "mutation { a }" })).is_none());
        assert!(question(&json!({ "query": "subscription { a }" })).is_none());
        let both = "query A { a } mutation B { b }";
        assert!(question(&json!({ "query": both, "operationName": "A" })).is_some());
        assert!(question(&json!({ "query": both, "operationName": "B" })).is_none());
    }

    #[test]
    fn whatever_may_change_an_answer_makes_another_question() {
        let text = "query A($a: Int) { a(a: $a) } query B { b }";
        let same = digest(&json!({ "query": text, "operationName": "A", "variables": {} }));
        let again = json!({ "query": text, "operationName": "A", "variables": null, "extensions": {} });
        assert_eq!(same, digest(&again));
        for other in [
            json!({ "query": text, "operationName": "B" }),
            json!({ "query": format!("{text} "), "operationName": "A" }),
            json!({ "query": text, "operationName": "A", "variables": { "a": 1 } }),
            json!({ "query": text, "operationName": "A", "variables": { "a": 1.0 } }),
            json!({ "query": text, "operationName": "A", "extensions": { "a": 1 } }),
        ] {
            assert_ne!(same, digest(&other), "{other}");
        }
        let variables = json!({ "query": text, "operationName": "A", "variables": { "a": 1 } });
        let extensions = json!({ "query": text, "operationName": "A", "extensions": { "a": 1 } });
        assert_ne!(digest(&variables), digest(&extensions));
    }

    #[test]
    fn headers_that_decide_are_a_part_of_the_question() {
        let question = question(&json!({ "query": "{ a }" })).unwrap();
        let with = |language: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for language in language {
                headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static(language));
            }
            question.asked_with(&headers, &[ACCEPT_LANGUAGE])
        };
        assert_eq!(with(&[]), question.digest);
        assert_eq!(with(&["de"]), with(&["de"]));
        assert_ne!(with(&["de"]), with(&["fr"]));
        assert_ne!(with(&["de"]), with(&[]));
        assert_ne!(with(&["de", "fr"]), with(&["defr"]));
    }
}
