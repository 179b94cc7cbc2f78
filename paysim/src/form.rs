//! Request parameters: form encoding with bracket notation (`metadata[booking]=…`, `expand[]=…`).
//!
//! An endpoint takes the parameters that it knows, then calls [`Params::finish`], which refuses
//! what is left: a misspelt parameter must not be ignored by a sandbox.

use std::collections::BTreeMap;

use crate::error::StripeError;

/// Deepest nesting of brackets that any known parameter has.
const DEEPEST: usize = 4;

#[derive(Debug)]
enum Node {
    Text(String),
    Branch(BTreeMap<String, Node>),
}

/// The parameters of one request, or of one branch of it.
#[derive(Debug)]
pub(crate) struct Params {
    path: String,
    nodes: BTreeMap<String, Node>,
}

impl Params {
    /// Parses a body or a query string.
    pub(crate) fn parse(text: &str) -> Result<Self, StripeError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text)
            .map_err(|error| StripeError::malformed(format!("Invalid form encoding: {error}")))?;
        let mut nodes = BTreeMap::new();
        for (key, value) in pairs {
            let path = split(&key).ok_or_else(|| StripeError::unknown(&key))?;
            insert(&mut nodes, &path, value).map_err(|()| {
                StripeError::malformed(format!("Parameter {key} is both a value and a map."))
            })?;
        }
        Ok(Self { path: String::new(), nodes })
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}[{key}]", self.path) }
    }

    /// An optional text. Empty is refused, as Stripe does: it would mean "unset".
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, StripeError> {
        match self.nodes.remove(key) {
            None => Ok(None),
            Some(Node::Text(text)) if text.is_empty() => Err(StripeError::invalid_code(
                &self.name(key),
                "parameter_invalid_empty",
                format!("You passed an empty string for '{}'.", self.name(key)),
            )),
            Some(Node::Text(text)) if text.len() > 5_000 => Err(StripeError::invalid_code(
                &self.name(key),
                "parameter_invalid_string_long",
                format!("'{}' is longer than 5000 characters.", self.name(key)),
            )),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Branch(_)) => {
                Err(StripeError::invalid(&self.name(key), format!("Invalid string: {key}")))
            }
        }
    }

    /// An optional whole number.
    pub(crate) fn integer(&mut self, key: &str) -> Result<Option<i64>, StripeError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            StripeError::invalid_code(
                &self.name(key),
                "parameter_invalid_integer",
                format!("Invalid integer: {text}"),
            )
        })?;
        Ok(Some(number))
    }

    /// An optional truth value.
    pub(crate) fn boolean(&mut self, key: &str) -> Result<Option<bool>, StripeError> {
        match self.text(key)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(StripeError::invalid(&self.name(key), format!("Invalid boolean: {other}"))),
        }
    }

    /// An optional text that must be one of `choices`.
    pub(crate) fn choice(&mut self, key: &str, choices: &[&str]) -> Result<Option<String>, StripeError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if choices.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        Err(StripeError::invalid(
            &self.name(key),
            format!("Invalid {}: must be one of {}", self.name(key), choices.join(", ")),
        ))
    }

    /// The required form of an optional value.
    pub(crate) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, StripeError> {
        value.ok_or_else(|| StripeError::missing(&self.name(key)))
    }

    /// A list, from `key[]=a&key[]=b` or `key[0]=a`.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<String>, StripeError> {
        match self.nodes.remove(key) {
            None => Ok(Vec::new()),
            Some(Node::Branch(items)) => items
                .into_values()
                .map(|item| match item {
                    Node::Text(text) => Ok(text),
                    Node::Branch(_) => Err(StripeError::invalid(key, "Invalid array")),
                })
                .collect(),
            Some(Node::Text(_)) => Err(StripeError::invalid(key, "Invalid array")),
        }
    }

    /// The branch under `key` (`created[gte]=…`), or nothing when it is absent or a plain value.
    pub(crate) fn branch(&mut self, key: &str) -> Option<Self> {
        if !matches!(self.nodes.get(key), Some(Node::Branch(_))) {
            return None;
        }
        match self.nodes.remove(key) {
            Some(Node::Branch(nodes)) => Some(Self { path: self.name(key), nodes }),
            _ => None,
        }
    }

    /// `metadata[…]`: at most 50 keys of 40 characters with values of 500, Stripe's limits.
    pub(crate) fn metadata(&mut self) -> Result<BTreeMap<String, String>, StripeError> {
        let nodes = match self.nodes.remove("metadata") {
            None => return Ok(BTreeMap::new()),
            Some(Node::Text(text)) if text.is_empty() => return Ok(BTreeMap::new()),
            Some(Node::Text(_)) => return Err(StripeError::invalid("metadata", "Invalid object")),
            Some(Node::Branch(nodes)) => nodes,
        };
        if nodes.len() > 50 {
            return Err(StripeError::invalid("metadata", "Metadata can have up to 50 keys."));
        }
        let mut metadata = BTreeMap::new();
        for (key, node) in nodes {
            let name = format!("metadata[{key}]");
            let Node::Text(value) = node else {
                return Err(StripeError::invalid(&name, "Metadata values must be strings."));
            };
            if key.chars().count() > 40 || value.chars().count() > 500 {
                return Err(StripeError::invalid(
                    &name,
                    "Metadata keys have at most 40 characters, values 500.",
                ));
            }
            metadata.insert(key, value);
        }
        Ok(metadata)
    }

    /// Refuses every parameter that was not taken.
    pub(crate) fn finish(self) -> Result<(), StripeError> {
        match self.nodes.keys().next() {
            None => Ok(()),
            Some(key) => Err(StripeError::unknown(&self.name(key))),
        }
    }
}

/// `a[b][]` as `["a", "b", ""]`.
fn split(key: &str) -> Option<Vec<&str>> {
    let Some((head, rest)) = key.split_once('[') else {
        return Some(vec![key]);
    };
    let inner = rest.strip_suffix(']')?;
    let mut path = vec![head];
    path.extend(inner.split("]["));
    (path.len() <= DEEPEST && !path.iter().any(|part| part.contains(['[', ']']))).then_some(path)
}

fn insert(nodes: &mut BTreeMap<String, Node>, path: &[&str], value: String) -> Result<(), ()> {
    let Some((&head, rest)) = path.split_first() else { return Err(()) };
    // `list[]` appends; the index is padded so that the map keeps the order.
    let key = if head.is_empty() { format!("{:06}", nodes.len()) } else { head.to_owned() };
    if rest.is_empty() {
        return match nodes.insert(key, Node::Text(value)) {
            Some(Node::Branch(_)) => Err(()),
            _ => Ok(()),
        };
    }
    match nodes.entry(key).or_insert_with(|| Node::Branch(BTreeMap::new())) {
        Node::Branch(inner) => insert(inner, rest, value),
        Node::Text(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bracket_notation_makes_maps_and_lists() {
        let mut params = Params::parse(
            "amount=1250&metadata%5Bbooking%5D=booking_1&metadata[note]=a%20b&expand[]=x&expand[]=y\
             &created[gte]=5",
        )
        .unwrap();
        assert_eq!(params.integer("amount").unwrap(), Some(1250));
        let metadata = params.metadata().unwrap();
        assert_eq!(metadata["booking"], "booking_1");
        assert_eq!(metadata["note"], "a b");
        assert_eq!(params.list("expand").unwrap(), ["x", "y"]);
        let mut created = params.branch("created").unwrap();
        assert_eq!(created.integer("gte").unwrap(), Some(5));
        created.finish().unwrap();
        params.finish().unwrap();
    }

    #[test]
    fn what_nobody_takes_is_refused_by_name() {
        let mut params = Params::parse("amount=1&currancy=eur").unwrap();
        params.integer("amount").unwrap();
        assert_eq!(params.finish().unwrap_err().to_string(), "Received unknown parameter: currancy");
    }

    #[test]
    fn bad_values_are_named() {
        let check = |form: &str, expected: &str| {
            let error = Params::parse(form).and_then(|mut params| params.integer("amount")).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check("amount=ten", "Invalid integer: ten");
        check("amount=", "You passed an empty string for 'amount'.");
        check("amount[x]=1", "Invalid string: amount");
        check("amount=1&amount[x]=1", "Parameter amount[x] is both a value and a map.");
        check("a[b=1", "Received unknown parameter: a[b");
    }
}
