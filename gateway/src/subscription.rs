//! Which operations are subscriptions, and which of these are the same.

use std::collections::BTreeMap;

use hive_router::graphql_tools::parser::query::{
    Definition, Document, OperationDefinition, Selection, parse_query,
};
use ntex::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::{Config, settings};

/// What decides whether two subscriptions are the same.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Headers that decide what the caller may see; lower case.
    caller: Vec<String>,
    /// Fields of `Subscription` that are the same for everyone.
    shared: Vec<String>,
}

impl Rules {
    pub(crate) fn new(config: &Config) -> Self {
        Self { caller: settings::caller_headers(config), shared: config.shared_subscriptions.clone() }
    }
}

/// A subscription that a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Subscription {
    /// Without comments and in one way of writing.
    document: String,
    operation_name: Option<String>,
    variables: Value,
    extensions: Value,
    /// Whether it is the same for everyone.
    shared: bool,
}

/// Subscriptions with equal keys have the same events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    document: String,
    operation_name: Option<String>,
    variables: String,
    extensions: String,
    caller: Vec<(String, Vec<u8>)>,
    /// Set for a subscription that shares with no other, however equal.
    apart: Option<u64>,
}

impl Key {
    /// Makes it unlike all others.
    pub(crate) fn set_apart(&mut self, number: u64) {
        self.apart = Some(number);
    }
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    extensions: Value,
}

impl Subscription {
    /// `None` for whatever is not surely a subscription; the router says what is wrong with it.
    pub(crate) fn parse(body: &[u8], rules: &Rules) -> Option<Self> {
        // Nearly all queries and mutations are told apart without a parser.
        let marker = b"subscription";
        body.windows(marker.len()).any(|window| window == marker).then_some(())?;
        let Body { query, operation_name, variables, extensions } = serde_json::from_slice(body).ok()?;
        let query = query?;
        let document = parse_query::<&str>(&query).ok()?;
        let fields = subscription_fields(&document, operation_name.as_deref())?;
        let shared = rules.are_shared(fields);
        let document = document.to_string();
        Some(Self { document, operation_name, variables, extensions, shared })
    }

    /// Tells it from other subscriptions. What is the same for everyone has no caller: it loses the
    /// headers, so that what all viewers share is what nobody in particular may see. To take them
    /// away is always safe, and to leave them too: a wrong guess can cost a subscription its
    /// audience or its caller, but never shows one caller what another may see.
    pub(crate) fn key(self, headers: &mut HeaderMap, rules: &Rules) -> Key {
        let mut caller = Vec::new();
        for name in &rules.caller {
            if self.shared {
                headers.remove(name.as_str());
            }
            caller.extend(
                headers.get_all(name.as_str()).map(|value| (name.clone(), value.as_bytes().to_vec())),
            );
        }
        Key {
            document: self.document,
            operation_name: self.operation_name,
            variables: sorted(&self.variables).to_string(),
            extensions: sorted(&self.extensions).to_string(),
            caller,
            apart: None,
        }
    }
}

impl Rules {
    fn are_shared<'q>(&self, fields: &[Selection<'q, &'q str>]) -> bool {
        !fields.is_empty()
            && fields.iter().all(|selection| match selection {
                Selection::Field(field) => self.shared.iter().any(|name| name == field.name),
                Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
            })
    }
}

/// The root fields of the operation that is asked for, if it is a subscription.
fn subscription_fields<'d, 'q>(
    document: &'d Document<'q, &'q str>,
    name: Option<&str>,
) -> Option<&'d [Selection<'q, &'q str>]> {
    let mut operations = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    let operation = match name {
        None => operations.next().filter(|_| operations.next().is_none()),
        Some(name) => operations.find(|operation| match operation {
            OperationDefinition::SelectionSet(_) => false,
            OperationDefinition::Query(query) => query.name == Some(name),
            OperationDefinition::Mutation(mutation) => mutation.name == Some(name),
            OperationDefinition::Subscription(subscription) => subscription.name == Some(name),
        }),
    };
    match operation? {
        OperationDefinition::Subscription(subscription) => Some(&subscription.selection_set.items),
        _ => None,
    }
}

/// With the fields of objects in order, whatever order serde keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use ntex::http::header::{AUTHORIZATION, HeaderValue};
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        Rules {
            caller: vec!["authorization".to_owned()],
            shared: vec!["seatMapChanged".to_owned(), "noticeBoard".to_owned()],
        }
    }

    fn parse(query: &str, name: Option<&str>) -> Option<Subscription> {
        let body = json!({ "query": query, "operationName": name, "variables": { "b": 1, "a": 2 } });
        Subscription::parse(body.to_string().as_bytes(), &rules())
    }

    fn check(query: &str, name: Option<&str>, shared: Option<bool>) {
        assert_eq!(parse(query, name).map(|subscription| subscription.shared), shared, "{query} {name:?}");
    }

    #[test]
    fn subscriptions_to_shared_fields_alone_are_shared() {
        let shared = Some(true);
        check("subscription { seatMapChanged(showId: 1) { version } }", None, shared);
        check("subscription S($id: ID!) { map: seatMapChanged(showId: $id) { epoch } }", Some("S"), shared);
        check("subscription { seatMapChanged { version } noticeBoard }", None, shared);
        check("subscription A { seatMapChanged { epoch } } subscription B { mine }", Some("A"), shared);
    }

    #[test]
    fn other_subscriptions_keep_their_caller() {
        let private = Some(false);
        check("subscription { bookingChanged(id: 1) { id } }", None, private);
        check("subscription { seatMapChanged { version } bookingChanged { id } }", None, private);
        check("subscription { seatMapChanged: bookingChanged(id: 1) { id } }", None, private);
        check("subscription { ...F } fragment F on Subscription { seatMapChanged { epoch } }", None, private);
        check("subscription { ... { seatMapChanged { epoch } } }", None, private);
        check("subscription A { seatMapChanged { epoch } } subscription B { mine }", Some("B"), private);
    }

    #[test]
    fn everything_else_is_left_to_the_router() {
        check("query subscription { seatMapChanged }", None, None);
        check("mutation subscription { seatMapChanged }", Some("subscription"), None);
        check("{ seatMapChanged } # subscription", None, None);
        check("subscription A { seatMapChanged { epoch } } subscription B { mine }", None, None);
        check("subscription A { seatMapChanged { epoch } }", Some("B"), None);
        check("subscription { seatMapChanged", None, None);
        assert_eq!(Subscription::parse(br#"{"query":"subscription{a}","query":"b"}"#, &rules()), None);
    }

    fn key(body: Value, token: &'static str) -> Key {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(token));
        let subscription = Subscription::parse(body.to_string().as_bytes(), &rules()).unwrap();
        subscription.key(&mut headers, &rules())
    }

    #[test]
    fn only_the_same_subscription_has_the_same_key() {
        let of = |query: &str, variables: Value| json!({ "query": query, "variables": variables });
        let private = of("subscription { mine }", json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] }));
        let again = of("subscription {\n  mine # so\n}", json!({ "b": [{ "d": 3, "c": 2 }], "a": 1 }));
        assert_eq!(key(private.clone(), "t"), key(again, "t"));
        assert_ne!(key(private.clone(), "t"), key(private.clone(), "u"));
        assert_ne!(key(private.clone(), "t"), key(of("subscription { mine }", json!({ "a": 2 })), "t"));
        assert_ne!(key(private, "t"), key(of("subscription { yours }", json!({})), "t"));
        let shared = of("subscription { noticeBoard }", json!({}));
        assert_eq!(key(shared.clone(), "t"), key(shared, "u"));
    }
}
