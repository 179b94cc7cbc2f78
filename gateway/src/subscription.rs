//! Which operations are subscriptions, and which of these are the same.

use std::collections::BTreeMap;

use ntex::http::HeaderMap;
use serde_json::{Value, value::RawValue};

use crate::{
    Config,
    admission::{Document, Operation, Params},
    settings,
};

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
    /// Differs for callers who may not share what is not the same for everyone.
    partition: u64,
}

/// Subscriptions with equal keys have the same events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    document: String,
    operation_name: Option<String>,
    variables: String,
    extensions: String,
    caller: Vec<(String, Vec<u8>)>,
    partition: Option<u64>,
    /// Set for a subscription that shares with no other, however equal.
    apart: Option<u64>,
}

impl Key {
    /// Makes it unlike all others.
    pub(crate) fn set_apart(&mut self, number: u64) {
        self.apart = Some(number);
    }
}

impl Subscription {
    /// `None` for parameters that the router will refuse.
    pub(crate) fn new(
        document: &Document,
        operation: &Operation,
        params: &Params<'_>,
        partition: u64,
    ) -> Option<Self> {
        let value =
            |raw: Option<&RawValue>| raw.map_or(Ok(Value::Null), |raw| serde_json::from_str(raw.get()));
        Some(Self {
            document: document.canonical.clone()?,
            operation_name: params.operation_name.clone(),
            variables: value(params.variables).ok()?,
            extensions: value(params.extensions).ok()?,
            shared: operation.shared,
            partition,
        })
    }

    /// Whether it is the same for everyone, and so executed for nobody in particular.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared
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
            partition: (!self.shared).then_some(self.partition),
            apart: None,
        }
    }
}

impl Rules {
    /// Whether a field of `Subscription` is the same for everyone.
    pub(crate) fn is_shared(&self, field: &str) -> bool {
        self.shared.iter().any(|name| name == field)
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
    use crate::admission::{Kind, Usual};

    fn rules() -> Rules {
        let shared = ["seatMapChanged", "noticeBoard"].map(str::to_owned).to_vec();
        Rules { caller: vec!["authorization".to_owned()], shared }
    }

    fn parse(body: &Value, partition: u64) -> Option<Subscription> {
        let body = body.to_string();
        let params = Params::parse(body.as_bytes()).unwrap();
        let document = Document::parse(params.query.as_deref()?, &Usual)?;
        let operation = document.operation(params.operation_name.as_deref())?;
        (operation.kind == Kind::Subscription).then_some(())?;
        Subscription::new(&document, operation, &params, partition)
    }

    fn check(query: &str, name: Option<&str>, shared: Option<bool>) {
        let body = json!({ "query": query, "operationName": name, "variables": { "b": 1, "a": 2 } });
        let found = parse(&body, 0).map(|subscription| subscription.shared);
        assert_eq!(found, shared, "{query} {name:?}");
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
    }

    fn key_of(body: &Value, token: &'static str, partition: u64) -> Key {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(token));
        parse(body, partition).unwrap().key(&mut headers, &rules())
    }

    fn key(body: Value, token: &'static str) -> Key {
        key_of(&body, token, 0)
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

    #[test]
    fn a_token_that_is_good_no_more_has_another_audience() {
        let private = json!({ "query": "subscription { mine }" });
        assert_ne!(key_of(&private, "t", 1), key_of(&private, "t", 2));
        let shared = json!({ "query": "subscription { noticeBoard }" });
        assert_eq!(key_of(&shared, "t", 1), key_of(&shared, "t", 2));
    }
}
